"""Loops and branches as operations of a graph."""
