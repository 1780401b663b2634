"""A dask array under other names, so that dask reads it a second time instead of keeping it."""

from __future__ import annotations

from typing import Any

import dask.array as da
from dask._task_spec import Alias, DataNode, GraphNode, convert_legacy_graph
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph


def again(x: Any) -> Any:
    """The same array with its tasks renamed; data that lie in the graph, or on workers (persisted), are shared.

    `dask.graph_manipulation.clone` is meant for that, but renames keys and not what tasks refer to (dask issue 12455, open in
    2026.8). What it takes to do so are the nodes of a graph, which dask's documentation describes and no public module has;
    those used here are the same in the oldest and the newest version that are served.
    """
    nodes = convert_legacy_graph(dict(x.__dask_graph__()))
    token = tokenize("again", x.name)
    work = {key: renamed(key, token) for key, node in nodes.items() if not isinstance(node, DataNode)}
    layer: dict[Any, GraphNode] = {}
    for key, node in nodes.items():
        layer[work.get(key, key)] = node.substitute(work, key=work[key]) if key in work else node
    name = renamed(x.name, token)
    for key in nodes.keys() - work.keys():
        if isinstance(key, tuple) and key[0] == x.name:  # the chunks are data
            layer[(name, *key[1:])] = Alias((name, *key[1:]), key)
    return da.Array(HighLevelGraph.from_collections(name, layer), name, x.chunks, meta=x._meta)


def renamed(key: Any, token: str) -> Any:
    """A key that only the copy has; its parts that say which chunk stay."""
    if isinstance(key, tuple) and key and isinstance(key[0], str):
        return (renamed(key[0], token), *key[1:])
    return f"{key}-{token}"
