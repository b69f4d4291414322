"""How each op is written with operators of ONNX, one function per op.

A rule gets a recorder, the operands and the settings of a call. A composite without a rule is exported by its body.
"""
