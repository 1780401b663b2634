"""The frequency-domain filters: `FDAF` with one partition, `PBFDAF` with many."""

from __future__ import annotations

from typing import Any

from numpy.typing import DTypeLike

from sigrnn.adaptive._fdaf_base import SpectralFilter
from sigrnn.adaptive.parameters import Relative

SMALLEST, LARGEST = 64, 2048  # samples of a block that PBFDAF chooses


class FDAF(SpectralFilter):
    r"""
    Adapt in the frequency domain: block LMS by overlap-save, with a step size for each frequency.

    .. math:: W_{k+1} = (1 - \mu\gamma)\, W_k + \mathcal F\, \mathcal P\, \mathcal F^{-1} \Bigl(
        \frac{\mu}{\varepsilon + P_k} \circ X_k^* \circ E_k \Bigr), \qquad
        P_k = \max\bigl(|X_k|^2,\; \beta P_{k-1} + (1 - \beta)\, |X_k|^2\bigr)

    with the spectra :math:`X_k` of the input up to the end of block k, and :math:`E_k` of the errors in it. :math:`\mathcal P`
    puts zeros where the filter has no taps: the gradient is constrained.

    Parameters
    ----------
    n_taps : int
        Weights of each channel.
    mu : float
        Step size :math:`\mu`. May be assigned between calls.
    block : int, optional
        Samples of a block, `n_taps` by default.
    eps : float, default 1e-3 of the mean power
        Regularisation :math:`\varepsilon`, which bounds the step in silence. A number is absolute, in units of the power
        :math:`|X|^2` of a bin. By default each bin has its own: 1e-3 times the sum of its mean power over all blocks so far, and
        of the mean power of a sample of `x`.
    normalised : bool, default True
        Whether to divide each bin's step by its power. If not, it is `BlockLMS`, to rounding.
    smoothing : float, default 0.9
        :math:`\beta`, how much of the power is kept from block to block. The power rises at once and falls slowly.
    dtype : {None, float32, float64}, keyword-only
        Precision of all computation, float64 by default; in float32 it takes about half the time.
    **settings
        ``leakage=0.0``: :math:`\gamma`; weights without excitation decay. Others are those of `AdaptiveFilter`; with
        ``nan_policy='omit'`` a NaN in x counts as 0, and samples whose window contains one do not adapt.

    See Also
    --------
    PBFDAF : In partitions, for long filters: blocks much shorter than the filter.

    Notes
    -----
    Each frequency converges independently of its power, as speech and music require: with `NLMS` the weakest frequency
    converges last. With the present power a step is a contraction for :math:`0 < \mu < 2`, as for NLMS; unnormalised,
    for :math:`0 < \mu < 2/(B \lambda_{max})`, as in `BlockLMS`.

    Outputs have no latency, and their bits do not depend on how the signal is divided into calls: the contribution of
    samples before a block is computed by Fourier transform when the block begins, the rest is summed sample by sample.
    Errors of a transform are relative to the loudest sample of its window.

    References
    ----------
    .. [1] E. R. Ferrara, "Fast implementation of LMS adaptive filters", IEEE Trans. Acoustics, Speech, and Signal Processing
       28(4), 1980.
    .. [2] J. J. Shynk, "Frequency-domain and multirate adaptive filtering", IEEE Signal Processing Magazine 9(1), 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from sigrnn.adaptive import FDAF
    >>> x = np.random.default_rng(0).standard_normal(4000)
    >>> f = FDAF(n_taps=32, mu=0.5)
    >>> r = f(x, np.convolve(x, [1.0, -0.5, 0.25])[:4000])
    >>> r.w_final[:4].round(6) + 0.0
    array([ 1.  , -0.5 ,  0.25,  0.  ])
    """

    def _sizes(self, taps: int, block: int | None) -> tuple[int, int]:
        return taps if block is None else block, taps


class PBFDAF(SpectralFilter):
    r"""
    Adapt a long filter in the frequency domain, in partitions of the length of a block.

    .. math:: W_{k+1}^{(p)} = (1 - \mu\gamma)\, W_k^{(p)} + \mathcal F\, \mathcal P\, \mathcal F^{-1} \Bigl(
        \frac{\mu}{\varepsilon + P_k} \circ X_{k-p}^* \circ E_k \Bigr), \qquad
        P_k = \max\bigl(S_k,\; \beta P_{k-1} + (1 - \beta)\, S_k\bigr), \quad S_k = \sum_p |X_{k-p}|^2

    Partition p holds taps :math:`pB` to :math:`(p+1)B - 1`, B samples being a block; the rest is as in `FDAF`.

    Parameters
    ----------
    n_taps : int
        Weights of each channel.
    mu : float
        Step size :math:`\mu`. May be assigned between calls.
    block : int, optional
        Samples B of a block; by default an eighth of `n_taps`, as a power of two from 64 to 2048.
    eps : float, default 1e-3 of the mean power
        As in `FDAF`, with :math:`S` for the power of a bin.
    constraint : {'full', 'alternate'}
        Which partitions are constrained to their taps at each update: all; or the first and one of the others in turn,
        which takes a fraction of the transforms but adds errors by circular convolution in between.
    normalised : bool, default True
        As in `FDAF`.
    smoothing : float, default 0.9
        As in `FDAF`.
    dtype : {None, float32, float64}, keyword-only
        As in `FDAF`.
    **settings
        ``leakage=0.0``: :math:`\gamma`; weights without excitation decay. Others are those of `AdaptiveFilter`; with
        ``nan_policy='omit'`` a NaN in x counts as 0, and samples whose window contains one do not adapt.

    See Also
    --------
    FDAF : One partition.

    Notes
    -----
    For echoes: 16384 taps are a third of a second at 48 kHz. Short blocks follow changes faster and need more
    transforms; outputs have no latency at any length. Bounds of the step size are those of `FDAF`: S includes all
    partitions.

    References
    ----------
    .. [1] J.-S. Soo, K. K. Pang, "Multidelay block frequency domain adaptive filter", IEEE Trans. Acoustics, Speech, and
       Signal Processing 38(2), 1990.
    .. [2] J. M. Paez Borrallo, M. Garcia Otero, "On the implementation of a partitioned block frequency domain adaptive
       filter (PBFDAF) for long acoustic echo cancellation", Signal Processing 27(3), 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from sigrnn.adaptive import PBFDAF
    >>> rng = np.random.default_rng(0)
    >>> x, room = rng.standard_normal(20000), rng.standard_normal(512) * 0.99 ** np.arange(512)
    >>> f = PBFDAF(n_taps=512, mu=0.5)
    >>> r = f(x, np.convolve(x, room)[:20000])
    >>> bool(abs(r.w_final - room).max() < 1e-3)
    True
    """

    def __init__(
        self,
        n_taps: int,
        mu: float,
        block: int | None = None,
        eps: float = Relative(1e-3),
        *,
        constraint: str = "full",
        normalised: bool = True,
        smoothing: float = 0.9,
        dtype: DTypeLike | None = None,
        **settings: Any,
    ) -> None:
        if constraint not in ("full", "alternate"):
            raise ValueError(f"constraint must be 'full' or 'alternate', got {constraint!r}")
        self._alternate = constraint == "alternate"
        super().__init__(n_taps, mu, block, eps, normalised=normalised, smoothing=smoothing, dtype=dtype, **settings)
        self._given["constraint"] = constraint

    def _sizes(self, taps: int, block: int | None) -> tuple[int, int]:
        if block is None:
            block = min(max(SMALLEST, 1 << ((taps - 1) // 8).bit_length()), LARGEST)
        return block, block

    @property
    def constraint(self) -> str:
        return str(self._given["constraint"])
