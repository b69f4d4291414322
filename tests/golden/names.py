"""Which operation of sdgraph stands for a method of SameDiff: the table that the porting page is made from."""

from functools import cache

from sdgraph.build.spelling import samediff


@cache
def operations():
    """The name in sdgraph's registry, empty where there is none, by namespace and name of SameDiff."""
    return {(row.namespace, row.name): row.op for row in samediff.operations()}


def operation(namespace, name):
    """The name in the registry, such as ``math.add``; empty where there is no operation of its own."""
    return operations()[namespace, name]
