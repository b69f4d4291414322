"""Frames of the running program: whose code they run, which line is the user's, what of them a traceback shows."""
