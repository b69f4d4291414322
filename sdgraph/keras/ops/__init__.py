"""Keras' operations, for variables of a graph and for arrays."""
