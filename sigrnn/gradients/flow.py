"""Vanishing and exploding gradients: `gradient_flow` measures them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sigrnn._arrays import F8, Array, numbers, short, signal, time_axis, whole
from sigrnn._utils import plotting as _plotting
from sigrnn.activations import known, respond, slope_of_output
from sigrnn.filters._call import matched
from sigrnn.filters._coefficients import coefficients, normalised, sections
from sigrnn.filters.linear import lfilter, sosfilt
from sigrnn.filters.nonlinear import nlfilter
from sigrnn.gradients._arguments import bound
from sigrnn.gradients.nonlinear import excitation, feed_back
from sigrnn.gradients.recurrent import call_of
from sigrnn.gradients.reverse import Rows
from sigrnn.layers import recurrent as layers
from sigrnn.layers._cells import FUNCTIONS
from sigrnn.layers._run import Backward, Part, Scratch

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["GradientFlow", "gradient_flow"]

LAGS = 1000  # followed by default, if the signal is twice as long
ENDS = 64  # samples of each channel from which gradients start
FEW_ENDS, DIRECTIONS = 8, 4  # the same for layers: outputs, and random directions of dE/dh for each
LOST = 1e-290  # below it numbers have lost digits, or are about to


@dataclass(frozen=True)
class GradientFlow:
    """
    The gradient of one output with respect to earlier excitations, as a function of the lag.

    Parameters
    ----------
    lags : ndarray, shape (K + 1,)
        Lags k = 0, 1, ... K in samples.
    norm : ndarray, shape (K + 1,)
        Root mean square of dE/de[n-k] over outputs and channels, with dE/dy[n] = 1.
    growth_rate : float
        Factor per sample by which the norm changes in the long run; for a linear filter the radius of its outermost
        pole.
    time_constant : float
        Samples in which the norm falls, or grows, by a factor e.
    verdict : {'vanishing', 'exploding', 'stable'}
        'stable' if the time constant is longer than the lags measured.
    """

    lags: Array
    norm: Array
    growth_rate: float
    time_constant: float
    verdict: str

    def __str__(self) -> str:
        return (
            f"{self.verdict}: factor {self.growth_rate:.6g} per sample, time constant {self.time_constant:.4g} samples"
        )

    def plot(self, ax: Axes | None = None, label: str | None = None) -> Axes:
        """
        Draw the norm against the lag, and the fitted exponential.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure by default.
        label : str, optional
            Name of the curve; the verdict and the growth rate by default.

        Returns
        -------
        matplotlib.axes.Axes
            What was drawn on.
        """
        if ax is None:
            ax = _plotting.figure(7.0, 4.0).add_subplot()
        shown = (self.norm > 0) & (self.norm < 1e250)  # ticks of the axis reach beyond the curve
        text = f"{self.verdict}, {self.growth_rate:.4g} per sample" if label is None else label
        (line,) = ax.semilogy(self.lags[shown], self.norm[shown], label=text)
        if 0.0 < self.growth_rate < math.inf and shown.any():
            slope, k = math.log(self.growth_rate), self.lags[shown]
            level = (np.log(self.norm[shown]) - k * slope).mean()
            with np.errstate(under="ignore", over="ignore"):
                ax.semilogy(k, np.exp(level + k * slope), ":", color=line.get_color(), linewidth=1.0)
        _plotting.label(ax, "", "lag k (samples)", "|dE/de[n-k]|")
        return ax


def gradient_flow(function: Callable[..., Any], *args: Any, lags: int | None = None, **kwargs: Any) -> GradientFlow:
    r"""
    Measure how a gradient vanishes or explodes over time.

    .. math:: \delta[n-k] = \frac{dE}{de[n-k]} = g'(e[n-k]) \Bigl( -\sum_{m=1}^{P} a_m \delta[n-k+m] \Bigr),
        \qquad \delta[n] = g'(e[n])

    the total derivative, by back-propagation through time, of an error that depends on one output, dE/dy[n] = 1, with
    respect to the excitation k samples earlier [1]_. It is computed from up to 64 outputs of each channel. For layers it is the
    norm of the gradient with respect to all sums of a step, from 8 outputs and 4 random directions dE/dh[n] of length 1. For
    models it is that with respect to the inputs, dE/dx[n-k], which in the long run changes by the same factor.

    Parameters
    ----------
    function : callable or Model
        `nlfilter`, `lfilter`, `sosfilt` or a recurrent layer (`rnn`, `gru`, `lstm`, ...); or a model, compositions included.
    *args : array_like
        Its arguments; of a model, the signal. For linear functions only its length matters.
    lags : int, optional
        The largest lag, less than the number of samples. By default 1000, or half the signal if that is less.
    **kwargs : dict
        More of its arguments.

    Returns
    -------
    GradientFlow
        The norm at each lag, growth rate, time constant and verdict; ``.plot()`` draws it.

    Raises
    ------
    TypeError
        If it is not for this function.
    ValueError
        If `lags` is less than 1 or not less than the number of samples, or what the function raises itself.

    See Also
    --------
    vjp : The gradients themselves.

    Notes
    -----
    The growth rate is that of a straight line through the logarithm of the norm, over the last three quarters of the
    lags with finite values; P lags are combined, so that an oscillation is not mistaken for a decay. Cost: one call of
    the function, and O(P K) for each of the outputs.

    References
    ----------
    .. [1] Y. Bengio, P. Simard, P. Frasconi, "Learning long-term dependencies with gradient descent is difficult", IEEE
       Transactions on Neural Networks 5 (2), 157-166, 1994, doi:10.1109/72.279181.

    Examples
    --------
    >>> import numpy as np
    >>> import sigrnn
    >>> flow = sigrnn.gradient_flow(sigrnn.lfilter, [1.0], [1.0, -0.9], np.zeros(400))
    >>> print(flow)
    vanishing: factor 0.9 per sample, time constant 9.491 samples
    """
    if hasattr(function, "vjp") and hasattr(function, "params"):
        if len(args) != 1 or kwargs:
            raise TypeError(
                f"gradient_flow takes a model and one signal x, got {len(args) + len(kwargs)} arguments after it"
            )
        samples, order, follow = path_of_model(function, *args)
    elif any(function is f for f in PATHS):
        arguments, _ = bound(function, args, kwargs)
        if "direction" in arguments:
            raise TypeError("direction= is not for gradient_flow: give it the signal from its end, x[::-1]")
        samples, order, follow = PATHS[function](arguments)
    else:
        names = ", ".join(f.__name__ for f in PATHS)
        raise TypeError(
            f"gradient_flow is for {names} and models; got {getattr(function, '__name__', short(function))}"
        )
    if samples < 2:
        raise ValueError(f"x has {samples} samples along its axis of time: at least 2 are needed to follow a gradient")
    lags = min(LAGS, max(samples // 2, 1)) if lags is None else whole("lags", lags)
    if not 1 <= lags < samples:
        raise ValueError(f"lags must be at least 1 and less than the number of samples {samples}, got {lags}")
    norm = follow(lags)
    growth = growth_rate(norm, max(order, 1))
    rate = abs(math.log(growth)) if growth > 0.0 else math.inf
    constant = 1.0 / rate if rate else math.inf
    verdict = "stable" if constant > lags else "vanishing" if growth < 1.0 else "exploding"
    return GradientFlow(np.arange(lags + 1), norm, growth, constant, verdict)


class Path(NamedTuple):
    """What a gradient goes back through."""

    samples: int
    order: int  # samples that reach back at a time
    follow: Callable[[int], Array]  # from lags to norms


def path(a: Array, slope: Array) -> Path:
    """Feedback (1 or C, P + 1), and g'(e) of all channels (C, N)."""
    return Path(slope.shape[1], a.shape[-1] - 1, lambda lags: followed(a, slope, lags))


def path_of_nlfilter(arguments: dict[str, Any]) -> Path:
    given = {name: value for name, value in arguments.items() if name not in ("b", "a", "x")}
    b, a, x = coefficients(arguments["b"], "b"), coefficients(arguments["a"], "a"), signal(arguments["x"])
    y = nlfilter(b, a, x, **given)
    y = y[0] if given["zi"] is not None else y
    axis, activation = time_axis(given["axis"], y), known(given["activation"])
    b, a = normalised(b, a, F8, fir=False)
    (rows_of_a,), _ = matched({"a": a}, 1, y, axis)
    e = y if slope_of_output(activation) else excitation(b, a, arguments, x, y)
    rows = Rows(y.shape, axis, False)
    return path(np.atleast_2d(rows_of_a), respond(activation, np.array(rows.of(e), F8), slope=True))


def path_of_lfilter(arguments: dict[str, Any]) -> Path:
    b, a, x = coefficients(arguments["b"], "b"), coefficients(arguments["a"], "a"), signal(arguments["x"])
    real(a, "a")
    y = lfilter(b, a, x, arguments["axis"])
    axis = time_axis(arguments["axis"], y)
    _, a = normalised(np.abs(b), a, F8, fir=False)  # b may be complex; only its length counts
    (a,), _ = matched({"a": a}, 1, y, axis)
    return path(np.atleast_2d(a), np.ones((len(np.atleast_2d(a)), y.shape[axis])))


def path_of_sosfilt(arguments: dict[str, Any]) -> Path:
    sos, x = sections(arguments["sos"]), signal(arguments["x"])
    real(sos, "sos")
    axis = time_axis(arguments["axis"], x)
    each = sos.reshape(-1, *sos.shape[-2:])[..., 3:].astype(F8)
    a = np.stack([reduce(np.convolve, filters, np.ones(1)) for filters in each])
    return path(a, np.ones((len(a), x.shape[axis])))


def path_of_layer(function: str, arguments: dict[str, Any]) -> Path:
    call = call_of(function, {**arguments, "lengths": None})
    _, part = call.run_whole()
    return Path(len(call.x), 1, lambda lags: followed_in_layer(part, lags))


def path_of_model(model: Any, x: Any) -> Path:
    """From outputs to inputs, through whatever is between them."""
    x = numbers("x", x)
    x = x if x.dtype.kind == "f" else x.astype(F8)
    (y, _), pullback = model.vjp(x)
    axis = 1 if x.ndim == 3 else 0
    samples = x.shape[axis]

    def follow(lags: int) -> Array:
        rng, found = np.random.default_rng(0), []
        for end in np.unique(np.linspace(lags, samples - 1, FEW_ENDS).astype(int)):
            for _ in range(DIRECTIONS if model.outputs > 1 else 1):
                dy = np.zeros(y.shape, y.dtype)
                at = np.moveaxis(dy, axis, 0)[end]  # a view, of one number or (O,) or (B, O)
                direction = rng.standard_normal(at.shape) if model.outputs > 1 else np.ones(at.shape)
                np.moveaxis(dy, axis, 0)[end] = direction / np.linalg.norm(
                    direction, axis=-1 if at.ndim else None, keepdims=True
                )
                dx = np.moveaxis(pullback(dy)[1], axis, 0)[end - lags : end + 1][::-1]
                found.append(dx.reshape(lags + 1, -1, model.inputs))
        each = np.stack(found, axis=1).astype(F8)  # lags, runs, sequences, inputs
        return root_mean_square(each.reshape(lags + 1, -1, model.inputs), axis=2)

    return Path(samples, order_of(model), follow)


def order_of(model: Any) -> int:
    """The highest order of the filters in a model."""
    if model.parts:
        return max(order_of(part) for part in model.parts)
    return max(getattr(model, "order", 1), 2 * getattr(model, "n_sections", 0), 1)


def real(c: Array, name: str) -> None:
    if c.dtype.kind == "c":
        raise NotImplementedError(f"gradient_flow is for real coefficients, {name} has dtype {c.dtype}")


PATHS: dict[Callable[..., Any], Callable[[dict[str, Any]], Path]] = {
    nlfilter: path_of_nlfilter,
    lfilter: path_of_lfilter,
    sosfilt: path_of_sosfilt,
    **{getattr(layers, name): partial(path_of_layer, name) for name in FUNCTIONS},
}


def followed(a: Array, slope: Array, lags: int) -> Array:
    """Root mean square over channels and outputs n of dE/de[n-k], k = 0 ... lags, for dE/dy[n] = 1."""
    samples = slope.shape[1]
    still = bool((slope == slope[:, :1]).all())  # then all outputs give the same
    ends = np.array([samples - 1]) if still else np.unique(np.linspace(lags, samples - 1, ENDS).astype(int))
    back = np.stack([slope[:, end - lags : end + 1][:, ::-1] for end in ends], axis=1).reshape(-1, lags + 1)
    start = np.zeros(back.shape)
    start[:, 0] = 1.0
    order = a.shape[-1] - 1
    delta = np.zeros((len(back), order + lags + 1))
    if order:
        feed_back(np.repeat(a, len(ends), axis=0) if len(a) > 1 else a, back, start, delta)
    else:
        delta[:, 0] = back[:, 0]
    return root_mean_square(delta[:, order:].T[..., None], axis=2)


def root_mean_square(delta: Array, axis: int) -> Array:
    """Over all axes but the first, of the norm along one of them; squares are taken where they can be."""
    if not delta.size:
        raise ValueError("x has no channel or sequence: there is no gradient to follow")
    rest = tuple(range(1, delta.ndim))
    largest = np.abs(delta).max(axis=rest, keepdims=True)
    scale = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
    with np.errstate(all="ignore"):
        squares = ((delta / scale) ** 2).sum(axis=axis)
        norm: Array = scale.reshape(-1) * np.sqrt(squares.mean(axis=rest[:-1]))
    return norm


def followed_in_layer(part: Part, lags: int) -> Array:
    """Root mean square, over outputs and directions, of the norm of the gradient with respect to all sums of a step."""
    steps, batch, layout = part.form.steps, part.form.batch, part.form.layout
    ends = np.unique(np.linspace(lags, steps - 1, FEW_ENDS).astype(int))
    rng = np.random.default_rng(0)
    found = []
    for end in ends:
        for _ in range(DIRECTIONS):
            dy = np.zeros((lags + 1, batch, layout.hidden), layout.dtype)
            direction = rng.standard_normal((batch, layout.hidden))
            dy[-1] = direction / np.linalg.norm(direction, axis=1, keepdims=True)
            scratch = Scratch(layout, lags + 1, part.form.full)
            d = Backward(part, total=True).piece(end - lags, end + 1, dy, scratch)
            found.append(d[::-1, :batch].reshape(lags + 1, batch, -1))
    each = np.stack(found, axis=1).astype(F8)  # lags, runs, sequences, sums
    return root_mean_square(each.reshape(lags + 1, -1, each.shape[-1]), axis=2)


def growth_rate(norm: Array, order: int) -> float:
    """Factor per lag: a straight line through the logarithms, `order` lags taken together, both ends faded out."""
    good = np.isfinite(norm) & (norm < 1.0 / LOST)
    norm = norm[: len(norm) if good.all() else int(np.argmin(good))]
    together = np.lib.stride_tricks.sliding_window_view(norm, max(min(order, len(norm) - 1), 1))
    size = np.sqrt((together**2).sum(axis=1)) if norm.max(initial=0.0) < 1e150 else together.max(axis=1)
    alive = size > LOST
    size = size[: len(size) if alive.all() else int(np.argmin(alive))]
    if len(size) < 2:
        return math.inf if alive.all() else 0.0  # beyond all numbers, or gone, at once
    k = np.arange(len(size) // 4 if len(size) > 4 else 0, len(size))
    fade = np.sin(np.pi * (np.arange(len(k)) + 0.5) / len(k))  # oscillations at the ends would tilt the line
    return float(np.exp(np.polyfit(k, np.log(size[k]), 1, w=fade)[0]))
