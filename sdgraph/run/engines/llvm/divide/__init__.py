"""A plan divided into regions that compiled loops can do, and numpy steps between them. Must not know LLVM."""
