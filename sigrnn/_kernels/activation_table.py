"""The activations: one row for each, read by kernels, public functions, exchange formats, documentation and tests.

Does not import Numba. The functions themselves are in `_kernels/base/activations.py`, under the name of the row.
"""

from __future__ import annotations

from typing import Any, NamedTuple

INF = float("inf")


class Row(NamedTuple):
    """
    Properties of an activation g.

    formula : g(e) in LaTeX, or in words with formulas. values : its range, in words. slope : its largest slope, in
    words. limits : g at inf and at -inf. bounds : no value lies outside. of_output : the slope is a function of y =
    g(e), not of e. rising : g never falls. odd : g(-e) = -g(e). zero : g(0) = 0, with the sign of the zero. kink : the
    |e| at which the slope jumps, if not 0. onnx : its operator in ONNX, with the attributes alpha and beta. onnx_layer
    : whether recurrent layers there have it.
    """

    formula: str
    values: str
    slope: str
    limits: tuple[float, float]
    bounds: tuple[float, float] = (-INF, INF)
    of_output: bool = True
    rising: bool = True
    odd: bool = False
    zero: bool = False
    kink: float = 0.0
    onnx: str = ""
    alpha: float | None = None
    beta: float | None = None
    onnx_layer: bool = False


ODD: dict[str, Any] = {"odd": True, "zero": True}
BY_INPUT: dict[str, Any] = {"of_output": False, "rising": False, "zero": True}
TABLE = {
    "linear": Row("$e$", "all", "1", (INF, -INF), **ODD, onnx="Affine", alpha=1.0, beta=0.0, onnx_layer=True),
    "tanh": Row(r"$\tanh e$", "-1 to 1", "1", (1, -1), (-1, 1), **ODD, onnx="Tanh", onnx_layer=True),
    "sigmoid": Row(r"$1 / (1 + \exp(-e))$", "0 to 1", "1/4", (1, 0), (0, 1), onnx="Sigmoid", onnx_layer=True),
    "relu": Row(r"$\max(0, e)$", "0 and above", "1", (INF, 0), (0, INF), onnx="Relu", onnx_layer=True),
    "leaky_relu": Row(
        "$e$, or $e / 100$ below 0", "all", "1", (INF, -INF), zero=True, onnx="LeakyRelu", alpha=0.01, onnx_layer=True
    ),
    "softsign": Row(
        r"$e / (1 + \lvert e \rvert)$", "-1 to 1", "1", (1, -1), (-1, 1), **ODD, onnx="Softsign", onnx_layer=True
    ),
    "softplus": Row(r"$\log(1 + \exp e)$", "0 and above", "1", (INF, 0), (0, INF), onnx="Softplus", onnx_layer=True),
    "hard_tanh": Row("$e$, cut off at -1 and 1", "-1 to 1", "1", (1, -1), (-1, 1), **ODD, kink=1.0),
    "hard_sigmoid": Row(
        "$(e + 3) / 6$, cut off at 0 and 1",
        "0 to 1",
        "1/6",
        (1, 0),
        (0, 1),
        kink=3.0,
        onnx="HardSigmoid",
        alpha=1.0 / 6.0,
        beta=0.5,
        onnx_layer=True,
    ),
    "silu": Row(r"$e / (1 + \exp(-e))$", "-0.28 and above", "1.10", (INF, 0), **BY_INPUT),
    "gelu": Row(
        r"$e\, \Phi(e)$, with the normal distribution $\Phi$",
        "-0.17 and above",
        "1.13",
        (INF, 0),
        **BY_INPUT,
        onnx="Gelu",
    ),
    "mish": Row(r"$e \tanh(\log(1 + \exp e))$", "-0.31 and above", "1.09", (INF, 0), **BY_INPUT, onnx="Mish"),
}
