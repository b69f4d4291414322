"""SameDiff's own files, which Java reads and writes (extra ``samediff``: the package flatbuffers)."""
