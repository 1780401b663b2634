"""Whole signals: lfilter, sosfilt, filtfilt and sosfiltfilt beside SciPy and other libraries."""

from sigrnn.bench import filters

CASES = [case for case in filters.CASES if case.group not in ("Short blocks", *filters.NOTES)]


def test_whole_signal(run):
    run()
