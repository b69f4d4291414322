"""Transforms of a graph on its way to an engine: lowering and the rewrites applied while lowering."""
