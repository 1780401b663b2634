"""How each function is differentiated: the table that `sigrnn.gradients.api` looks up."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from sigrnn.filters.deconvolution import deconvolve
from sigrnn.filters.linear import lfilter, sosfilt
from sigrnn.filters.nonlinear import nlfilter
from sigrnn.filters.resampling import decimate, resample_poly, upfirdn
from sigrnn.filters.smoothing import savgol_filter
from sigrnn.filters.state_space import dlsim, lsim
from sigrnn.filters.varying import lfilter_tv
from sigrnn.filters.zerophase import filtfilt, sosfiltfilt
from sigrnn.gradients import linear, nonlinear, recurrent, resampling, sections, sensitivities, state_space, zerophase
from sigrnn.layers import recurrent as layers
from sigrnn.layers._cells import FUNCTIONS, RNN, Cell

Named = dict[str, Any]


class Rule(NamedTuple):
    """
    How one function is differentiated.

    vjp : `vjp(arguments)` gives the value and `pull`. `arguments` holds all arguments of the function by name, defaults
        included (`out` excluded), arrays as arrays; Python numbers, which do not widen float32, as they were given.
        `pull(dy)`, or `pull(dy, dzf)` where the value is a pair, gives the gradients by name, in the shape of the
        arguments and any float precision. It may return more than was asked for. With the key `EXCITATION` it hands
        over the gradient of the excitation, in the shape of y, which becomes `Pullback.excitation_gradient`.
        `dzf` is left out or None where it is zero. What the pull-back needs is copied.
    jvp : `jvp(arguments, tangents)` gives the value and its tangent, in the value's dtype. `tangents` holds, by name,
        those that were given, in the shape of their arguments.
    names : the differentiable arguments, in the order of the signature.
    stateful : the function takes `zi`, at rest if 0.0, and then returns (y, zf): it can be run block after block.
    rows : arguments other than `x` that have a row a sample (along axis -2).
    partial : like `vjp`, with the partial derivatives of the lecture for gradients.
    parts : an argument that may be a tuple of arrays, and their names: each is an argument then, and it is None itself.
    direct : `direct(args)`, asked first: where arguments given by position need no checks, the value, what its gradient must
        be like, and the pull-back; otherwise None. All of them get a gradient, and all are of one dtype.
    by_blocks : `by_blocks(arguments, size)`: as `vjp`, with checkpoints, where the state is not `zi`.
    """

    vjp: Callable[[Named], tuple[Any, Callable[..., Named]]]
    jvp: Callable[[Named, Named], tuple[Any, Any]]
    names: tuple[str, ...]
    stateful: bool = False
    rows: tuple[str, ...] = ()
    partial: Callable[[Named], tuple[Any, Callable[..., Named]]] | None = None
    by_blocks: Callable[[Named, int], tuple[Any, Callable[..., Named]]] | None = None
    parts: tuple[str, tuple[str, ...]] | None = None
    direct: Callable[[tuple[Any, ...]], tuple[Any, Any, linear.Direct] | None] | None = None


def of_layer(cell: Cell) -> Rule:
    """The rule of a recurrent layer, from its row in the table of cells."""
    given = cell.function
    return Rule(
        partial(recurrent.layer_vjp, given),
        partial(sensitivities.layer_jvp, given),
        cell.arrays,
        partial=partial(recurrent.layer_partial, given) if cell is RNN else None,
        by_blocks=partial(recurrent.layer_by_blocks, given),
        direct=partial(recurrent.layer_direct, cell),
    )


RULES: dict[Callable[..., Any], Rule] = {
    lfilter: Rule(linear.lfilter_vjp, linear.lfilter_jvp, ("b", "a", "x", "zi"), True, direct=linear.lfilter_direct),
    lfilter_tv: Rule(linear.lfilter_tv_vjp, linear.lfilter_tv_jvp, ("b", "a", "x", "zi"), True, ("b", "a")),
    sosfilt: Rule(sections.sosfilt_vjp, sections.sosfilt_jvp, ("sos", "x", "zi"), True),
    filtfilt: Rule(zerophase.filtfilt_vjp, zerophase.filtfilt_jvp, ("b", "a", "x")),
    sosfiltfilt: Rule(zerophase.sosfiltfilt_vjp, zerophase.sosfiltfilt_jvp, ("sos", "x")),
    upfirdn: Rule(resampling.upfirdn_vjp, resampling.upfirdn_jvp, ("h", "x")),
    resample_poly: Rule(resampling.resample_poly_vjp, resampling.resample_poly_jvp, ("x",)),
    decimate: Rule(resampling.decimate_vjp, resampling.decimate_jvp, ("x",)),
    savgol_filter: Rule(resampling.savgol_filter_vjp, resampling.savgol_filter_jvp, ("x",)),
    deconvolve: Rule(resampling.deconvolve_vjp, resampling.deconvolve_jvp, ("signal", "divisor")),
    dlsim: Rule(
        state_space.dlsim_vjp,
        state_space.dlsim_jvp,
        (*state_space.PARTS, "u", "x0"),
        parts=("system", (*state_space.PARTS, "dt")),
    ),
    **{
        function: Rule(
            partial(state_space.responses_vjp, function, active),
            partial(state_space.responses_jvp, function, active),
            (*state_space.PARTS, "x0"),
            parts=("system", (*state_space.PARTS, "dt")),
        )
        for function, active in (state_space.STEP, state_space.IMPULSE)
    },
    lsim: Rule(
        state_space.lsim_vjp,
        state_space.lsim_jvp,
        (*state_space.PARTS, "U", "X0"),
        parts=("system", state_space.PARTS),
    ),
    nlfilter: Rule(
        nonlinear.nlfilter_vjp,
        nonlinear.nlfilter_jvp,
        ("b", "a", "x", "zi", "bias"),
        stateful=True,
        partial=nonlinear.nlfilter_partial,
    ),
    **{getattr(layers, name): of_layer(cell) for name, cell in FUNCTIONS.items()},
    layers.dense: Rule(recurrent.dense_vjp, recurrent.dense_jvp, ("x", "v", "bias")),
}
