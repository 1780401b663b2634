"""Names that users may look for in `sigrnn`, and where they are: for the message of the AttributeError."""

from __future__ import annotations

MODULES = "dask", "jax", "offline", "sklearn", "torch", "xarray"  # imported only when asked for
SCIPY = """
    bessel butter buttord cheb1ord cheb2ord cheby1 cheby2 chirp coherence convolve correlate csd czt detrend
    dfreqresp ellip ellipord fftconvolve find_peaks firls firwin firwin2 freqs freqz freqz_sos gammatone get_window
    group_delay hilbert iircomb iirdesign iirfilter iirnotch iirpeak istft medfilt minimum_phase oaconvolve
    order_filter periodogram remez resample savgol_coeffs sos2tf sos2zpk sosfreqz spectrogram ss2tf stft tf2sos
    tf2ss tf2zpk welch wiener zpk2sos zpk2ss zpk2tf
""".split()  # noqa: SIM905


def hint(name: str, adaptive: list[str], public: list[str]) -> str:
    """What to use for a name that is not in `sigrnn`, given the names of `sigrnn.adaptive` and `sigrnn`."""
    if name in adaptive:
        return f": it is sigrnn.adaptive.{name}"
    if name in SCIPY:
        return f": it is scipy.signal.{name}"
    if name in MODULES:
        return f": import sigrnn.{name} first"
    if name == "LayerStream":
        return ": it is sigrnn.layers.streams.LayerStream"
    alike = [known for known in public if known.lower() == name.lower()]
    return f": did you mean {alike[0]}?" if alike else ""
