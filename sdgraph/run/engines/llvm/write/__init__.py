"""Regions written as IR: loops, memory and sums. Must not know plans or how code is run."""
