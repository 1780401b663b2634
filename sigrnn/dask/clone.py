"""A dask array under other names, so that dask reads it a second time instead of keeping it.

The only file with private names of dask: the nodes of a graph. They are documented, but not all of them have a public name.
"""

from __future__ import annotations

from typing import Any

import dask.array as da
from dask._task_spec import Alias, DataNode, convert_legacy_graph
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph


def clone(x: Any) -> Any:
    """
    The same array with its tasks renamed. Data in the graph, or on workers (persisted), are shared.

    `dask.graph_manipulation.clone` would do this, but it renames keys and not the references to them (dask issue 12455, open
    in 2026.8).
    """
    nodes = convert_legacy_graph(dict(x.__dask_graph__()))
    token = tokenize("clone", x.name)
    tasks = {key: renamed(key, token) for key, node in nodes.items() if not isinstance(node, DataNode)}
    layer = {key: node for key, node in nodes.items() if key not in tasks}
    layer |= {new: nodes[key].substitute(tasks, key=new) for key, new in tasks.items()}
    name = renamed(x.name, token)
    for key in nodes.keys() - tasks.keys():
        if isinstance(key, tuple) and key[0] == x.name:  # a chunk that is data
            layer[(name, *key[1:])] = Alias((name, *key[1:]), key)
    return da.Array(HighLevelGraph.from_collections(name, layer), name, x.chunks, meta=x._meta)


def renamed(key: Any, token: str) -> Any:
    """A key of the clone; the index of the chunk stays."""
    if isinstance(key, tuple) and key and isinstance(key[0], str):
        return (renamed(key[0], token), *key[1:])
    return f"{key}-{token}"
