"""Rows taken apart and put together by numbers, and sequences of several lengths in one array."""
