"""Filters over dask arrays, in chunks of time and of channels."""

from sigrnn.bench import scale_out

CASES = scale_out.CASES


def test_scale_out(run):
    run()
