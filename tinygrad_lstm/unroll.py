from .flow import Flow
def unroll(graph, steps=None): raise NotImplementedError
