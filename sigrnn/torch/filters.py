"""Filters as modules, to be trained beside others: their coefficients are parameters."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import nn

from sigrnn.activations import Activation, known
from sigrnn.torch import functions
from sigrnn.torch._coefficients import counted, described, monic, shape_of, stable_denominator, unconstrained, uniform

__all__ = ["FIR", "IIR", "SOS", "NonlinearIIR"]


class FIR(nn.Module):
    """
    A filter without feedback, along the last axis: a convolution that sees the past only.

    Parameters
    ----------
    n_taps : int
        Number of coefficients.
    channels : int, optional
        Number of filters, one for each entry of the last axis but one of `x`; one for all by default.
    device : torch.device, optional
        Where the parameters are; the CPU.
    dtype : torch.dtype, optional
        Of the parameters.

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
        super().__init__()
        size = counted("n_taps", n_taps, 1)
        self.b = nn.Parameter(torch.empty(shape_of(channels, size), device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new taps, as `torch.nn.Conv1d` does."""
        uniform(self.b, self.b.shape[-1] ** -0.5)

    def forward(self, x: Any, zi: Any = None) -> Any:
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
        return functions.lfilter(self.b, [1.0], x, zi=zi)

    def extra_repr(self) -> str:
        """Return what stands between the parentheses when it is printed.

        Returns
        -------
        str
            Sizes and settings.
        """
        return described(self.b, n_taps=self.b.shape[-1])


class IIR(nn.Module):
    r"""
    A filter with feedback, along the last axis.

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
        Whether all that training can reach are stable filters: then the parameters are reflection coefficients before
        a tanh.
    device : torch.device, optional
        Where the parameters are; the CPU.
    dtype : torch.dtype, optional
        Of the parameters.

    Attributes
    ----------
    b : Parameter, shape (..., M + 1)
        Feed-forward coefficients.
    a : Tensor, shape (..., P + 1)
        Feed-back coefficients with ``a[0] = 1``, made of the parameter `feedback`.

    See Also
    --------
    SOS : Better conditioned for orders above about 4.
    lfilter : What it computes.

    Examples
    --------
    Train from a design of SciPy's on:

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
        super().__init__()
        order = counted("order", order, 0)
        taps = order + 1 if n_taps is None else counted("n_taps", n_taps, 1)
        self.stable = stable
        self.b = nn.Parameter(torch.empty(shape_of(channels, taps), device=device, dtype=dtype))
        self.feedback = nn.Parameter(torch.empty(shape_of(channels, order), device=device, dtype=dtype))
        self.reset_parameters()

    @classmethod
    def from_coefficients(cls, b: Any, a: Any, **options: Any) -> Self:
        """
        Start from a filter that is there.

        Parameters
        ----------
        b, a : array_like, shape (M + 1,) and (P + 1,), or a row for each channel
            Its coefficients.
        **options
            Of the class.

        Returns
        -------
        IIR
            A module.
        """
        b, a = (torch.as_tensor(c, dtype=torch.float64) for c in (b, a))
        channels = b.shape[0] if b.dim() == 2 else None
        net = cls(a.shape[-1] - 1, b.shape[-1], channels, **options)
        first = a[..., :1]
        with torch.no_grad():
            net.b.copy_(b / first)
            net.feedback.copy_(unconstrained(a / first) if net.stable else (a / first)[..., 1:])
        return net

    def reset_parameters(self) -> None:
        """Draw new coefficients: little feedback."""
        uniform(self.b, self.b.shape[-1] ** -0.5)
        uniform(self.feedback, 0.5 / max(self.feedback.shape[-1], 1))

    @property
    def a(self) -> torch.Tensor:
        """Feed-back coefficients, 1 first."""
        return stable_denominator(self.feedback) if self.stable else monic(self.feedback)

    def forward(self, x: Any, zi: Any = None) -> Any:
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
        return functions.lfilter(self.b, self.a, x, zi=zi)

    def extra_repr(self) -> str:
        """Return what stands between the parentheses when it is printed.

        Returns
        -------
        str
            Sizes and settings.
        """
        return described(self.b, n_taps=self.b.shape[-1], order=self.feedback.shape[-1], stable=self.stable)


class SOS(nn.Module):
    """
    A cascade of second-order sections, along the last axis.

    Parameters
    ----------
    n_sections : int
        Number of sections.
    channels : int, optional
        Number of filters, one for each entry of the last axis but one of `x`; one for all by default.
    stable : bool, default False
        Whether all that training can reach are stable filters.
    device : torch.device, optional
        Where the parameters are; the CPU.
    dtype : torch.dtype, optional
        Of the parameters.

    Attributes
    ----------
    sos : Tensor, shape (..., S, 6)
        The sections, made of the parameters `numerator` (..., S, 3) and `feedback` (..., S, 2).

    See Also
    --------
    IIR : A filter in one piece.
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
        super().__init__()
        sections = counted("n_sections", n_sections, 1)
        self.stable = stable
        self.numerator = nn.Parameter(torch.empty((*shape_of(channels, sections), 3), device=device, dtype=dtype))
        self.feedback = nn.Parameter(torch.empty((*shape_of(channels, sections), 2), device=device, dtype=dtype))
        self.reset_parameters()

    @classmethod
    def from_sections(cls, sos: Any, **options: Any) -> Self:
        """
        Start from sections that are there, those of a design for example.

        Parameters
        ----------
        sos : array_like, shape (S, 6), or such for each channel
            The sections.
        **options
            Of the class.

        Returns
        -------
        SOS
            A module.
        """
        sos = torch.as_tensor(sos, dtype=torch.float64)
        sos = sos / sos[..., 3:4]
        net = cls(sos.shape[-2], sos.shape[0] if sos.dim() == 3 else None, **options)
        with torch.no_grad():
            net.numerator.copy_(sos[..., :3])
            net.feedback.copy_(unconstrained(sos[..., 3:]) if net.stable else sos[..., 4:])
        return net

    def reset_parameters(self) -> None:
        """Draw new coefficients: sections that pass most of what comes in."""
        uniform(self.numerator, 0.25)
        with torch.no_grad():
            self.numerator[..., 0] += 1.0
        uniform(self.feedback, 0.25)

    @property
    def sos(self) -> torch.Tensor:
        """The sections."""
        a = stable_denominator(self.feedback) if self.stable else monic(self.feedback)
        return torch.cat([self.numerator, a], -1)

    def forward(self, x: Any, zi: Any = None) -> Any:
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
        return functions.sosfilt(self.sos, x, zi=zi)

    def extra_repr(self) -> str:
        """Return what stands between the parentheses when it is printed.

        Returns
        -------
        str
            Sizes and settings.
        """
        return described(self.numerator[..., 0], n_sections=self.numerator.shape[-2], stable=self.stable)


class NonlinearIIR(nn.Module):
    r"""
    A nonlinear filter with feedback, along the last axis: a recurrent net of one unit that sees more than one step back.

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
    device : torch.device, optional
        Where the parameters are; the CPU.
    dtype : torch.dtype, optional
        Of the parameters.

    See Also
    --------
    nlfilter : What it computes.
    RNN : Several units, that see one step back.

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
        super().__init__()
        taps, order = counted("n_taps", n_taps, 1), counted("order", order, 0)
        known(activation)  # or an error, now and not at the first call
        self.activation = activation
        self.b = nn.Parameter(torch.empty(shape_of(channels, taps), device=device, dtype=dtype))
        self.feedback = nn.Parameter(torch.empty(shape_of(channels, order), device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(shape_of(channels, 1)[:-1], device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new coefficients: little feedback, no bias."""
        uniform(self.b, self.b.shape[-1] ** -0.5)
        uniform(self.feedback, 0.5 / max(self.feedback.shape[-1], 1))
        nn.init.zeros_(self.bias)

    @property
    def a(self) -> torch.Tensor:
        """Feed-back coefficients, 1 first."""
        return monic(self.feedback)

    def forward(self, x: Any, zi: Any = None) -> Any:
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
        return functions.nlfilter(self.b, self.a, x, zi=zi, activation=self.activation, bias=self.bias)

    def extra_repr(self) -> str:
        """Return what stands between the parentheses when it is printed.

        Returns
        -------
        str
            Sizes and settings.
        """
        sizes = described(self.b, n_taps=self.b.shape[-1], order=self.feedback.shape[-1])
        return f"{sizes}, activation={self.activation!r}"
