"""`vjp` (reverse mode) and `jvp` (forward mode) for all functions: dispatch and checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import Array, array, short, whole
from sigrnn.gradients._arguments import Turn, arrays_of, bound, native, tangent_of, unpacked
from sigrnn.gradients.checkpoints import by_blocks
from sigrnn.gradients.linear import EXCITATION, Direct, Expected
from sigrnn.gradients.rules import RULES, Named, Rule

__all__ = ["jvp", "synchronous_grad", "vjp"]

V = TypeVar("V")  # the value of a function


@overload
def vjp(
    function: Callable[..., V], *args: Any, zi: ArrayLike, checkpoint: int | None = None, **kwargs: Any
) -> tuple[tuple[V, V], Pullback]: ...
@overload
def vjp(function: Callable[..., V], *args: Any, checkpoint: int | None = None, **kwargs: Any) -> tuple[V, Pullback]: ...
def vjp(
    function: Callable[..., V], *args: Any, checkpoint: int | None = None, **kwargs: Any
) -> tuple[V | tuple[V, V], Pullback]:
    r"""
    Call a function, and prepare its gradients: reverse mode, back-propagation through time.

    .. math:: \langle dy, J t \rangle = \langle J^H dy, t \rangle \quad \text{for all tangents } t

    with J the derivative of the value with respect to the arguments; the pull-back is :math:`J^H`. For an error E of the value y,
    ``pullback(dE/dy)`` returns the gradient of E with respect to each argument.

    Parameters
    ----------
    function : callable
        One of `lfilter`, `lfilter_tv`, `sosfilt`, `filtfilt`, `sosfiltfilt`, `nlfilter`, a recurrent layer (`rnn`,
        `gru`, `lstm`, ...), `dense`; `upfirdn`, `resample_poly`, `decimate`, `savgol_filter`, `deconvolve`; `dlsim` (by `u`
        and `x0`), `dstep`, `dimpulse` (by `x0`), `lsim` (by `U` and `X0`), and by A, B, C and D, which come first, of a
        system ``(A, B, C, D, dt)``, for `lsim` ``(A, B, C, D)``.
    *args : array_like
        Its arguments. Coefficients, signals and states given here get a gradient.
    checkpoint : int, optional
        Store the state at every `checkpoint`-th sample only, and recompute the samples between in the pull-back, for long
        signals. Nothing else is stored, not even copies of the arrays: they must not change until the last pull-back.
    **kwargs : dict
        More of its arguments. Arrays and sequences get a gradient, Python numbers are constants.

    Returns
    -------
    value : ndarray or tuple
        What the function returns: y, or (y, zf) if `zi` was given; (h, h_N) or (h, (h_N, c_N)) of layers.
    pullback : callable
        ``pullback(dy)``, or ``pullback((dy, dzf))`` where the value is a pair (None is zero), returns a tuple: the
        gradient of each coefficient, signal and state given, in the order of the function's signature, in the shape and
        the dtype of the argument (float64 for lists and numbers). It may be called any number of times, also after the
        arrays have changed. ``pullback.excitation_gradient`` is the gradient with respect to the excitation e in the last
        call, the lecture's delta[n], for `nlfilter` and `rnn`; with `checkpoint` it is computed, by another run, on access.

    Raises
    ------
    TypeError
        If the function has no gradient here, an array contains integers, or ``out=`` or ``nan_policy`` is given.
    ValueError
        If `checkpoint` is not positive or the function has no state, or what the function raises itself; in the
        pull-back, if `dy` or `dzf` has another shape than the value.
    NotImplementedError
        If the arrays are not float32, float64 or complex ones of that precision, or for ``filtfilt(method='gust')``.

    See Also
    --------
    jvp : Forward mode: how the value changes when the arguments do.
    synchronous_grad : The lecture's partial derivatives, for comparison.

    Notes
    -----
    The gradient of a linear filter is the same filter over reversed time, and sums of products with its output [1]_:
    one pass for all gradients. Cost: O((M + P) N), about two more calls of the function; copies of x and y are kept
    (`lfilter`), of x (`sosfilt`). Sums are taken in float64 also for float32 signals.

    Gradients are total derivatives: that of ``a[0]`` includes the division of all coefficients by it. The same holds
    for ``sos[:, 3]``, though `sosfilt` itself accepts only 1 there: the gradient is that of a filter that divides by
    it. For complex arrays J^H is PyTorch's convention: the gradient is the direction of steepest ascent of a real
    error; real arguments get the real part.

    References
    ----------
    .. [1] M. Forgione, D. Piga, "dynoNet: a neural network architecture for learning dynamical systems", International
       Journal of Adaptive Control and Signal Processing 35 (4), 2021, doi:10.1002/acs.3216 (section 3).

    Examples
    --------
    >>> import sigrnn
    >>> y, pullback = sigrnn.vjp(sigrnn.lfilter, [1.0], [1.0, -0.5], [8.0, 0.0, 0.0])
    >>> y
    array([8., 4., 2.])
    >>> db, da, dx = pullback([0.0, 0.0, 1.0])
    >>> db, da, dx
    (array([2.]), array([-6., -8.]), array([0.25, 0.5 , 1.  ]))
    """
    rule = _rule(function)
    if rule.direct is not None and not kwargs and checkpoint is None:
        found = rule.direct(args)
        if found is not None:
            value, expected, direct = found
            return value, DirectPullback(function.__name__, expected, direct)
    arguments, positional = bound(function, args, kwargs)
    positional = unpacked(rule, arguments, positional)
    arrays = arrays_of(rule, arguments, positional, kwargs)
    turn = Turn.of(rule, arguments)
    if checkpoint is not None:
        size = whole("checkpoint", checkpoint, 1)
        if rule.by_blocks is None and not rule.stateful:
            raise ValueError(f"checkpoint is for functions with a state: {function.__name__} has none")
        if rule.by_blocks is not None:
            value, pull = rule.by_blocks(arguments, size)
        else:
            value, pull = by_blocks(function, rule, arguments, size)
    else:
        value, pull = rule.vjp(arguments)
    if turn is not None:
        value, pull = turn.value(value), turn.pull(pull)
    return value, Pullback(function.__name__, value, pull, arrays)


@overload
def synchronous_grad(
    function: Callable[..., V], *args: Any, zi: ArrayLike, **kwargs: Any
) -> tuple[tuple[V, V], Pullback]: ...
@overload
def synchronous_grad(function: Callable[..., V], *args: Any, **kwargs: Any) -> tuple[V, Pullback]: ...
def synchronous_grad(function: Callable[..., V], *args: Any, **kwargs: Any) -> tuple[V | tuple[V, V], Pullback]:
    r"""
    Call a function, and prepare its partial derivatives: all other time steps held constant.

    .. math:: \epsilon[n] = \frac{\partial E}{\partial e[n]} = g'(e[n]) \frac{\partial E}{\partial y[n]}, \qquad
        \frac{\partial E}{\partial b_m} = \sum_n \epsilon[n] x[n-m], \qquad
        \frac{\partial E}{\partial a_m} = -\sum_n \epsilon[n] y[n-m]

    the lecture's synchronous back-propagation [1]_. `vjp` gives the total derivative, in which an excitation also acts
    through all later outputs: :math:`\delta[n] = \epsilon[n] - g'(e[n]) \sum_{m=1}^{P} a_m \delta[n+m]`. Without
    feedback both are the same.

    Parameters
    ----------
    function : callable
        `nlfilter`.
    *args : array_like
        Its arguments.
    **kwargs : dict
        More of its arguments.

    Returns
    -------
    value : ndarray or tuple
        What the function returns: y, or (y, zf) if `zi` was given.
    pullback : callable
        As that of `vjp`; ``pullback.excitation_gradient`` is :math:`\epsilon[n]`.

    Raises
    ------
    TypeError
        If the function has no feedback through time to hold constant, or as for `vjp`.
    ValueError
        As for `vjp`.

    See Also
    --------
    vjp : Total derivatives, by back-propagation through time.

    Notes
    -----
    With feedback it is not the gradient of any function: a step against it may increase the error. Signs are those of
    `lfilter`: the lecture's coefficients of y[n-m] are -a[m]. Cost: as `vjp`.

    References
    ----------
    .. [1] M. Hasegawa-Johnson, "Recurrent Neural Nets", ECE 417 Multimedia Signal Processing, University of Illinois:
       synchronous back-propagation, and back-propagation through time.

    Examples
    --------
    >>> import sigrnn
    >>> given = [1.0], [1.0, -0.5], [1.0, 0.0, 0.0]
    >>> for gradients in sigrnn.synchronous_grad, sigrnn.vjp:
    ...     y, pullback = gradients(sigrnn.nlfilter, *given, activation="linear")
    ...     db, da, dx = pullback([0.0, 0.0, 1.0])
    ...     print(da, pullback.excitation_gradient)
    [-0.25 -0.5 ] [0. 0. 1.]
    [-0.75 -1.  ] [0.25 0.5  1.  ]
    """
    rule = _rule(function)
    if rule.partial is None:
        known = ", ".join(f.__name__ for f, other in RULES.items() if other.partial is not None)
        raise TypeError(f"synchronous_grad is for {known}, not {function.__name__}")
    arguments, positional = bound(function, args, kwargs)
    arrays = arrays_of(rule, arguments, positional, kwargs)
    turn = Turn.of(rule, arguments)
    value, pull = rule.partial(arguments)
    if turn is not None:
        value, pull = turn.value(value), turn.pull(pull)
    return value, Pullback(function.__name__, value, pull, arrays)


@overload
def jvp(
    function: Callable[..., V], primals: tuple[Any, ...], tangents: tuple[Any, ...], *, zi: ArrayLike, **kwargs: Any
) -> tuple[tuple[V, V], tuple[V, V]]: ...
@overload
def jvp(
    function: Callable[..., V], primals: tuple[Any, ...], tangents: tuple[Any, ...], **kwargs: Any
) -> tuple[V, V]: ...
def jvp(
    function: Callable[..., V], primals: tuple[Any, ...], tangents: tuple[Any, ...], **kwargs: Any
) -> tuple[V | tuple[V, V], V | tuple[V, V]]:
    r"""
    Call a function, and find how its value changes when the arguments do: forward mode, sensitivities.

    .. math:: dy = \lim_{h \to 0} \frac{f(u + h\,t) - f(u)}{h}

    for arguments u and their tangents t.

    Parameters
    ----------
    function : callable
        One of those that `vjp` serves.
    primals : tuple
        Its positional arguments.
    tangents : tuple
        A tangent for each of them, in its shape; None where nothing changes. Or one for each coefficient, signal and
        state given, those by keyword included, in the order of the function's signature.
    **kwargs : dict
        More arguments of the function.

    Returns
    -------
    value : ndarray or tuple
        What the function returns: y, or (y, zf) if `zi` was given.
    tangent : ndarray or tuple
        Its tangent, alike.

    Raises
    ------
    TypeError
        If the function has no derivative here, an array is one of integers, a tangent is given for an argument without
        one, or is complex for a real array.
    ValueError
        If a tangent has another shape than its array, the number of tangents does not fit, or what the function raises
        itself.
    NotImplementedError
        As for `vjp`.

    See Also
    --------
    vjp : Reverse mode: the gradients of one number by all arguments.

    Notes
    -----
    A linear filter with other coefficients is, to first order, itself plus two filters with its poles: one with `db` on
    its input, one with ``-da`` on its output [1]_. Cost: up to four calls of the function.

    References
    ----------
    .. [1] L. Ljung, "System Identification: Theory for the User", 2nd edition, Prentice Hall 1999, section 10.3.

    Examples
    --------
    >>> import sigrnn
    >>> sigrnn.jvp(sigrnn.lfilter, ([1.0], [1.0, -0.5], [8.0, 0.0, 0.0]), (None, [0.0, 1.0], None))
    (array([8., 4., 2.]), array([ 0., -8., -8.]))
    """
    rule = _rule(function)
    for what, those in (("primals", primals), ("tangents", tangents)):
        if not isinstance(those, tuple | list):
            raise TypeError(f"{what} must be a tuple, one for each argument of {function.__name__}, got {short(those)}")
    primals, tangents = tuple(primals), tuple(tangents)
    arguments, positional = bound(function, primals, kwargs)
    positional = unpacked(rule, arguments, positional)
    arrays = arrays_of(rule, arguments, positional, kwargs)
    beside = any(t is not None and name not in arrays for name, t in zip(positional, tangents, strict=False))
    if len(tangents) == len(positional) and not (beside and len(tangents) == len(arrays)):
        given = dict(zip(positional, tangents, strict=True))
    elif len(tangents) == len(arrays):
        given = dict(zip(arrays, tangents, strict=True))
    else:
        raise ValueError(
            f"{len(tangents)} tangents: expected {len(positional)}, one for each of primals, or {len(arrays)}, one for each "
            f"of {', '.join(arrays)}"
        )
    changes = {name: tangent_of(name, t, arrays) for name, t in given.items() if t is not None}
    turn = Turn.of(rule, arguments)
    with np.errstate(all="ignore"):  # as in the pull-back
        if turn is None:
            return rule.jvp(arguments, changes)
        value, moved = rule.jvp(arguments, turn.named(changes))
        return turn.value(value), turn.value(moved)


class Pullback:
    """From the gradient of a value to those of the arguments; made by `vjp`."""

    def __init__(self, name: str, value: Any, pull: Callable[..., Named], arrays: dict[str, Array]) -> None:
        self._name, self._pull = name, pull
        self._value = _layout(value)
        self._given: list[tuple[str, tuple[int, ...], np.dtype[Any]]] = []
        for argument, given in arrays.items():
            dtype = given.dtype
            self._given.append((argument, given.shape, dtype if dtype.isnative else native(dtype)))
        self._excitation: Any = None  # or how to find it

    def __call__(self, cotangent: Any) -> tuple[Array, ...]:
        """
        Compute the gradients.

        Parameters
        ----------
        cotangent : array_like or tuple
            The gradient dy of the value; (dy, dzf) where the value is a pair, None for zero.

        Returns
        -------
        gradients : tuple of ndarray
            One for each array given, in the order of the signature.
        """
        slopes = _matching(self._value, cotangent, "dy")
        given = (slopes,) if isinstance(slopes, np.ndarray) else slopes
        if getattr(self._pull, "compiled", False):  # nothing in it that warns
            found = self._pull(*given)
        else:
            with np.errstate(
                all="ignore"
            ):  # NaN and inf go where the equations take them, as in the functions themselves
                found = self._pull(*given)
        self._excitation = found.get(EXCITATION)
        gradients = []
        for name, shape, dtype in self._given:
            gradient = found[name]
            fits = gradient.dtype is dtype and gradient.shape == shape
            gradients.append(gradient if fits else _like(gradient, shape, dtype))
        return tuple(gradients)

    @property
    def excitation_gradient(self) -> Array:
        """The lecture's delta[n] of the last call: the gradient of what goes into the activation at each sample."""
        if self._excitation is None:
            raise AttributeError(
                f"no excitation_gradient: {self._name} has no activation, or the pull-back has not been called yet"
            )
        if callable(self._excitation):
            self._excitation = self._excitation()
        found: Array = self._excitation
        return found


class DirectPullback(Pullback):
    """The same where the gradients need no checks; made by `vjp`."""

    def __init__(self, name: str, expected: Any, direct: Direct) -> None:
        self._name, self._value, self._direct, self._excitation = name, expected, direct, None

    def __call__(self, cotangent: Any) -> tuple[Array, ...]:
        found = self._direct(cotangent) or self._direct(_matching(self._value, cotangent, "dy"))
        assert found is not None
        gradients, self._excitation = found
        return gradients


def _rule(function: Callable[..., Any]) -> Rule:
    try:
        return RULES[getattr(function, "__wrapped__", function)]  # `report` wraps what it counts
    except (KeyError, TypeError):
        known = ", ".join(f.__name__ for f in RULES)
        name = getattr(function, "__name__", repr(function) if isinstance(function, str) else None)
        if name is None:
            kind = type(function).__name__
            raise TypeError(
                f"vjp and jvp expect a function of sigrnn and its arguments, as in vjp(lfilter, b, a, x); got {kind}"
            ) from None
        raise TypeError(f"{name} has no gradient here; those of sigrnn with one are {known}") from None


def _layout(value: Any) -> Any:
    """Shapes and dtypes of a value, so that the value itself need not be kept."""
    if isinstance(value, tuple):
        return tuple(map(_layout, value))
    return Expected(value.shape, value.dtype)


def _matching(expected: Any, given: Any, name: str) -> Any:
    """The gradient of a value as arrays of its shape and dtype; zeros for None."""
    if type(expected) is not Expected:
        names = (
            (name, "dzf")
            if name == "dy" and len(expected) == 2
            else tuple(f"{name}[{i}]" for i in range(len(expected)))
        )
        if given is None:
            given = (None,) * len(expected)
        if not isinstance(given, tuple | list):
            raise TypeError(f"the value is a pair: expected ({', '.join(names)}), got {type(given).__name__}")
        if len(given) != len(expected):
            raise ValueError(f"the value is a pair: expected ({', '.join(names)}), got {len(given)} of them")
        return tuple(map(_matching, expected, given, names))
    if given is None:
        return np.zeros(expected.shape, expected.dtype)
    fits = type(given) is np.ndarray and given.dtype is expected.dtype and given.shape == expected.shape
    if fits and given.flags.aligned:
        return given
    found = array(name, given)
    if found.dtype.kind not in "biufc":
        raise TypeError(f"{name} must be numbers, got dtype {found.dtype}")
    if found.shape != expected.shape:
        raise ValueError(f"{name} has shape {found.shape}, expected {expected.shape}")
    if found.dtype.kind == "c" and expected.dtype.kind != "c":
        raise TypeError(f"{name} is complex, the value is real")
    return np.require(found, expected.dtype, ["A"])


def _like(gradient: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    if gradient.dtype.kind == "c" and dtype.kind != "c":
        gradient = gradient.real
    return np.asarray(gradient).astype(dtype, copy=False).reshape(shape)
