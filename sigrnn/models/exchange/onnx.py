"""ONNX: a model as a graph. Signals are (B, N, I), as here; recurrent nodes of ONNX have time as the first axis, so
signals are transposed."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigrnn._arrays import Array
from sigrnn._kernels.activation_table import TABLE
from sigrnn._utils.files import replacing
from sigrnn.layers._cells import MODELS
from sigrnn.models.exchange.layers import RECURRENT, Place, activation, both_ways, halves, need_sizes, option, taps

OPSET, IR = 20, 9  # 20 has Gelu; IR 9 is what came with it, so that runtimes of that time read the file


def write(model: Any, path: Any = None) -> Any:
    """The model as an onnx.ModelProto, checked, also written to a file if there is a path: whole or not at all."""
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("to_onnx needs onnx: pip install 'sigrnn[onnx]'") from error

    need_sizes(model, "to_onnx")
    graph = Graph(onnx)
    last = graph.add(Place("", model), "x")
    proto = graph.proto(last, model.inputs, model.outputs)
    onnx.checker.check_model(proto, full_check=True)
    if path is not None:
        with replacing(path) as file:
            file.write(proto.SerializeToString())
    return proto


class Graph:
    """Nodes and constants as they come. Methods for layers take the name of a signal (B, N, I) and return another."""

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def proto(self, last: str, inputs: int, outputs: int) -> Any:
        helper, kind = self.onnx.helper, self.onnx.TensorProto.FLOAT
        self.nodes.append(helper.make_node("Identity", [last], ["y"]))
        ends = [
            helper.make_tensor_value_info(name, kind, ["sequences", "samples", width])
            for name, width in (("x", inputs), ("y", outputs))
        ]
        graph = helper.make_graph(self.nodes, "sigrnn", ends[:1], ends[1:], self.constants)
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR, producer_name="sigrnn"
        )

    def node(self, op: str, *operands: str, **attributes: Any) -> str:
        name = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(op, list(operands), [name], name=name, **attributes))
        return name

    def constant(self, array: Any, dtype: str = "f4") -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(np.array(array, dtype, order="C"), name))
        return name

    def add(self, place: Place, x: str) -> str:
        """A layer, or a composition of them."""
        kind = place.kind
        if kind == "Chain":
            for half in halves(place):
                x = self.add(half, x)
            return x
        if kind == "Residual":
            return self.node("Add", x, self.add(halves(place)[0], x))
        if kind == "Parallel":
            parts = [self.add(half, x) for half in halves(place)]
            together = option(place.layer, "combine") == "concatenate"
            return self.node("Concat", *parts, axis=2) if together else self.node("Sum", *parts)
        if kind == "Bidirectional":
            return self.add_both_ways(place, x)
        if kind in RECURRENT:
            return self.add_recurrent([place], x)
        if kind == "Dense":
            params = place.layer.params
            weighed = self.node("MatMul", x, self.constant(params["v"].T))
            return self.activate(place, self.node("Add", weighed, self.constant(params["bias"])))
        if kind in ("FIR", "NonlinearFIR"):
            return self.add_taps(place, x)
        raise ValueError(f"{place.title} has no counterpart in ONNX, which knows no recursive filters")

    def add_both_ways(self, place: Place, x: str) -> str:
        forward, backward = halves(place)
        if both_ways(place.layer):
            return self.add_recurrent([forward, backward], x)
        return self.node("Concat", self.add(forward, x), self.reverse(self.add(backward, self.reverse(x))), axis=2)

    def reverse(self, x: str) -> str:
        """Reversed time."""
        before_first = np.iinfo("i8").min
        return self.node("Slice", x, *(self.constant([n], "i8") for n in (-1, before_first, 1, -1)))

    def add_taps(self, place: Place, x: str) -> str:
        """A convolution over (B, I, N), with zeros ahead of the first sample."""
        kernel = taps(place.layer)[None, :, ::-1]
        operands = [self.node("Transpose", x, perm=[0, 2, 1]), self.constant(kernel)]
        if "bias" in place.layer.params:
            operands.append(self.constant(place.layer.params["bias"]))
        y = self.node("Conv", *operands, pads=[kernel.shape[-1] - 1, 0])
        return self.activate(place, self.node("Transpose", y, perm=[0, 2, 1]))

    def activate(self, place: Place, e: str) -> str:
        name = activation(place)
        if name == "linear":
            return e
        if name == "silu":
            return self.node("Mul", e, self.node("Sigmoid", e))
        if name == "hard_tanh":
            return self.node("Clip", e, self.constant(-1.0), self.constant(1.0))
        row = TABLE[name]
        attributes = {key: value for key, value in (("alpha", row.alpha), ("beta", row.beta)) if value is not None}
        return self.node(row.onnx, e, **attributes)

    def add_recurrent(self, places: list[Place], x: str) -> str:
        """One layer, or two halves: (B, N, I) -> (N, B, I) -> (N, directions, B, H) -> (B, N, directions H)."""
        place, hidden = places[0], option(places[0].layer, "hidden")
        if option(place.layer, "initial", False):
            raise ValueError(f"{place.title} has a first state of its own, which the graph does not keep")
        weights = [[self.gates(p, name) for name in ("w_ih", "w_hh", "b_ih", "b_hh")] for p in places]
        w, r, *biases = (np.stack(arrays) for arrays in zip(*weights, strict=True))
        operands = [self.node("Transpose", x, perm=[1, 0, 2])]
        operands += [self.constant(array) for array in (w, r, np.concatenate(biases, axis=1))]
        if option(place.layer, "peephole", False):
            i, f, o = 0, 1, 2
            seen = np.stack([p.layer.params["peephole"][[i, o, f]].ravel() for p in places])
            operands += ["", "", "", self.constant(seen)]
        y = self.node(place.kind, *operands, hidden_size=hidden, **self.attributes(places))
        turned = self.node("Transpose", y, perm=[2, 0, 1, 3])
        return self.node("Reshape", turned, self.constant([0, 0, len(places) * hidden], "i8"))

    def gates(self, place: Place, name: str) -> Array:
        """An array of a layer, its gates in ONNX's order."""
        order = MODELS[place.kind].onnx
        parts = np.split(place.layer.params[name], len(order))
        return np.concatenate([parts[at] for at in order])

    def attributes(self, places: list[Place]) -> dict[str, Any]:
        found: dict[str, Any] = {"direction": "bidirectional"} if len(places) == 2 else {}
        place = places[0]
        if place.kind == "GRU":
            found["linear_before_reset"] = int(option(place.layer, "reset_after"))
        if place.kind == "RNN":
            name = activation(place)
            row = TABLE[name]
            if not row.onnx_layer:
                raise ValueError(f"{place.title}: ONNX has no recurrent layer with the activation {name!r}")
            op, alpha, beta = row.onnx, row.alpha, row.beta
            found["activations"] = [op] * len(places)
            found |= {} if alpha is None else {"activation_alpha": [alpha] * len(places)}
            found |= {} if beta is None else {"activation_beta": [beta] * len(places)}
        return found
