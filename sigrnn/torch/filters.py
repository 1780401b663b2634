"""Filters as modules: their coefficients are parameters, to be trained along with other modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, overload

import torch
from torch import nn

from sigrnn.activations import Activation, known
from sigrnn.models.stability import step_down, step_up
from sigrnn.torch import functions

__all__ = ["FIR", "IIR", "SOS", "NonlinearIIR"]


def count(name: str, number: Any, least: int) -> int:
    """A size, checked."""
    if not isinstance(number, int) or number < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {number!r}")
    return number


class _Filter(nn.Module):
    """
    A filter along the last axis. A subclass gives `_call`, the function of its parameters.

    shapes : of the parameters of one channel: `b`, `feedback`, `numerator`, `bias`.
    factory : device and dtype of the parameters.
    settings : for `repr`. With ``stable=True`` `feedback` holds the atanh of reflection coefficients, not a_1 ... a_P.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        channels: int | None,
        factory: dict[str, Any],
        **settings: Any,
    ) -> None:
        super().__init__()
        self.stable = settings.get("stable", False)
        leading = () if channels is None else (count("channels", channels, 1),)
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.empty((*leading, *shape), **factory)))
        self._settings = {**settings, "channels": channels} if leading else settings
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new coefficients: taps as in `torch.nn.Conv1d`, sections near 1, little feedback, no bias."""
        for name, parameter in self.named_parameters():
            if name == "bias":
                nn.init.zeros_(parameter)
                continue
            size = max(parameter.shape[-1], 1)
            bound = {"b": size**-0.5, "feedback": 0.5 / size, "numerator": 0.25}[name]
            nn.init.uniform_(parameter, -bound, bound)
            if name == "numerator":
                with torch.no_grad():
                    parameter[..., 0] += 1.0

    def _denominator(self) -> torch.Tensor:
        a = step_up(torch.tanh(self.feedback), torch.cat) if self.stable else self.feedback
        return torch.cat([a.new_ones((*a.shape[:-1], 1)), a], -1)

    def _start(self, a: torch.Tensor, **others: torch.Tensor) -> Self:
        """Take the coefficients of a filter; the first of a is 1."""
        a = a[..., 1:]
        if self.stable:
            a = step_down(a, torch.cat)
            if not (a.abs() < 1).all():
                raise ValueError(
                    f"stable=True must start from a stable filter, got reflection coefficients {a.tolist()}"
                )
            a = torch.atanh(a)
        with torch.no_grad():
            for name, values in {"feedback": a, **others}.items():
                getattr(self, name).copy_(values)
        return self

    @overload
    def forward(self, x: torch.Tensor, zi: None = None) -> torch.Tensor: ...
    @overload
    def forward(self, x: torch.Tensor, zi: torch.Tensor | float) -> tuple[torch.Tensor, torch.Tensor]: ...
    def forward(
        self, x: torch.Tensor, zi: torch.Tensor | float | None = None
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """
        Filter.

        Parameters
        ----------
        x : Tensor, shape (..., N)
            The signal.
        zi : Tensor or 0.0, optional
            Initial state; then the final state is returned, too.

        Returns
        -------
        y : Tensor, or (y, zf)
            The filtered signal.
        """
        return self._call(x, zi)

    def _call(self, x: Any, zi: Any) -> Any:
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Return what stands between the parentheses when it is printed."""
        return ", ".join(f"{name}={value!r}" for name, value in self._settings.items())


class FIR(_Filter):
    """
    A filter without feedback along the last axis: a causal convolution.

    Parameters
    ----------
    n_taps : int
        Number of coefficients.
    channels : int, optional
        Number of filters, one for each entry of the last axis but one of `x`; one for all by default.
    device, dtype : optional
        Device (the CPU) and dtype of the parameters.

    See Also
    --------
    IIR : With feedback.
    lfilter : What it computes.

    Examples
    --------
    >>> import torch
    >>> import sigrnn.torch
    >>> net = sigrnn.torch.FIR(n_taps=3)
    >>> net(torch.ones(2, 100)).shape, net.b.shape
    (torch.Size([2, 100]), torch.Size([3]))
    """

    def __init__(self, n_taps: int, channels: int | None = None, *, device: Any = None, dtype: Any = None) -> None:
        factory = {"device": device, "dtype": dtype}
        super().__init__({"b": (count("n_taps", n_taps, 1),)}, channels, factory, n_taps=n_taps)

    def _call(self, x: Any, zi: Any) -> Any:
        return functions.lfilter(self.b, [1.0], x, zi=zi)


class IIR(_Filter):
    r"""
    A filter with feedback along the last axis.

    .. math:: y[n] = \sum_{m=0}^{M} b_m x[n-m] - \sum_{m=1}^{P} a_m y[n-m]

    Parameters
    ----------
    order : int
        P, and M unless `n_taps` is given.
    n_taps : int, optional
        M + 1, number of feed-forward coefficients.
    channels : int, optional
        Number of filters, one for each entry of the last axis but one of `x`; one for all by default.
    stable : bool, default False
        Whether the filter stays stable in training: `feedback` then holds the atanh of reflection coefficients.
    device, dtype : optional
        Device (the CPU) and dtype of the parameters.

    Attributes
    ----------
    b : Parameter, shape (..., M + 1)
        Feed-forward coefficients.
    a : Tensor, shape (..., P + 1)
        Feed-back coefficients with ``a[0] = 1``, computed from the parameter `feedback`.

    See Also
    --------
    SOS : Better conditioned for orders above about 4.
    lfilter : What it computes.

    Examples
    --------
    Start from a design of SciPy's:

    >>> import scipy.signal
    >>> import torch
    >>> import sigrnn.torch
    >>> net = sigrnn.torch.IIR.from_coefficients(*scipy.signal.butter(2, 0.3), stable=True)
    >>> round(net(torch.ones(50))[-1].item(), 4)
    1.0
    """

    def __init__(
        self,
        order: int,
        n_taps: int | None = None,
        channels: int | None = None,
        *,
        stable: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        order = count("order", order, 0)
        n_taps = order + 1 if n_taps is None else count("n_taps", n_taps, 1)
        shapes, factory = {"b": (n_taps,), "feedback": (order,)}, {"device": device, "dtype": dtype}
        super().__init__(shapes, channels, factory, n_taps=n_taps, order=order, stable=stable)

    @classmethod
    def from_coefficients(cls, b: Any, a: Any, **options: Any) -> Self:
        """
        Make a module from given coefficients.

        Parameters
        ----------
        b, a : array_like, shape (M + 1,) and (P + 1,), or a row for each channel
            The coefficients.
        **options
            Keyword arguments of the class.

        Returns
        -------
        IIR
            A module.
        """
        b, a = (torch.as_tensor(c, dtype=torch.float64) for c in (b, a))
        net = cls(a.shape[-1] - 1, b.shape[-1], b.shape[0] if b.dim() == 2 else None, **options)
        return net._start(a / a[..., :1], b=b / a[..., :1])

    @property
    def a(self) -> torch.Tensor:
        """Feed-back coefficients, 1 first."""
        return self._denominator()

    def _call(self, x: Any, zi: Any) -> Any:
        return functions.lfilter(self.b, self.a, x, zi=zi)


class SOS(_Filter):
    """
    A cascade of second-order sections along the last axis.

    Parameters
    ----------
    n_sections : int
        Number of sections.
    channels : int, optional
        Number of filters, one for each entry of the last axis but one of `x`; one for all by default.
    stable : bool, default False
        Whether the filter stays stable in training, as in `IIR`.
    device, dtype : optional
        Device (the CPU) and dtype of the parameters.

    Attributes
    ----------
    sos : Tensor, shape (..., S, 6)
        The sections, computed from the parameters `numerator` (..., S, 3) and `feedback` (..., S, 2).

    See Also
    --------
    IIR : A filter in direct form.
    sosfilt : What it computes.

    Examples
    --------
    >>> import scipy.signal
    >>> import torch
    >>> import sigrnn.torch
    >>> net = sigrnn.torch.SOS.from_sections(scipy.signal.butter(4, 0.3, output="sos"), stable=True)
    >>> round(net(torch.ones(80))[-1].item(), 4)
    1.0
    """

    def __init__(
        self,
        n_sections: int,
        channels: int | None = None,
        *,
        stable: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        n_sections = count("n_sections", n_sections, 1)
        shapes, factory = (
            {"numerator": (n_sections, 3), "feedback": (n_sections, 2)},
            {"device": device, "dtype": dtype},
        )
        super().__init__(shapes, channels, factory, n_sections=n_sections, stable=stable)

    @classmethod
    def from_sections(cls, sos: Any, **options: Any) -> Self:
        """
        Make a module from given sections, for example those of a design.

        Parameters
        ----------
        sos : array_like, shape (S, 6) or (channels, S, 6)
            The sections.
        **options
            Keyword arguments of the class.

        Returns
        -------
        SOS
            A module.
        """
        sos = torch.as_tensor(sos, dtype=torch.float64)
        net = cls(sos.shape[-2], sos.shape[0] if sos.dim() == 3 else None, **options)
        sos = sos / sos[..., 3:4]
        return net._start(sos[..., 3:], numerator=sos[..., :3])

    @property
    def sos(self) -> torch.Tensor:
        """The sections."""
        return torch.cat([self.numerator, self._denominator()], -1)

    def _call(self, x: Any, zi: Any) -> Any:
        return functions.sosfilt(self.sos, x, zi=zi)


class NonlinearIIR(_Filter):
    r"""
    A nonlinear filter with feedback along the last axis: a recurrent unit with more than one past output as input.

    .. math:: y[n] = g\left(\beta + \sum_{m=0}^{M} b_m x[n-m] - \sum_{m=1}^{P} a_m y[n-m]\right)

    Parameters
    ----------
    n_taps : int
        M + 1, number of feed-forward coefficients.
    order : int
        P, number of feed-back coefficients; 0 for a nonlinear FIR filter.
    activation : str or Activation, default 'tanh'
        As in `nlfilter`.
    channels : int, optional
        Number of filters, one for each entry of the last axis but one of `x`; one for all by default.
    device, dtype : optional
        Device (the CPU) and dtype of the parameters.

    See Also
    --------
    nlfilter : What it computes.
    RNN : Several units, with the last outputs of all of them as inputs.

    Examples
    --------
    >>> import torch
    >>> import sigrnn.torch
    >>> net = sigrnn.torch.NonlinearIIR(n_taps=2, order=1)
    >>> net(torch.ones(2, 100)).abs().max().item() < 1.0
    True
    """

    def __init__(
        self,
        n_taps: int,
        order: int,
        activation: str | Activation = "tanh",
        channels: int | None = None,
        *,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        shapes = {"b": (count("n_taps", n_taps, 1),), "feedback": (count("order", order, 0),), "bias": ()}
        known(activation)  # or an error, now and not at the first call
        factory = {"device": device, "dtype": dtype}
        super().__init__(shapes, channels, factory, n_taps=n_taps, order=order, activation=activation)
        self.activation = activation

    @property
    def a(self) -> torch.Tensor:
        """Feed-back coefficients, 1 first."""
        return self._denominator()

    def _call(self, x: Any, zi: Any) -> Any:
        return functions.nlfilter(self.b, self.a, x, zi=zi, activation=self.activation, bias=self.bias)
