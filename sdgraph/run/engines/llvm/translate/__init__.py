"""Translating IR into machine code, keeping it, and calling it from Python. Must not know regions or ops."""
