"""Conditions on numbers by name, as SameDiff has them."""
