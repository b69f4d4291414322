"""Graphs as ONNX models: what each op is there, how a call becomes operators, and how these become a file."""
