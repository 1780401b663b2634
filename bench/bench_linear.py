"""Whole signals: lfilter, sosfilt, filtfilt and sosfiltfilt beside SciPy and other libraries."""

from sigrnn.bench import measure

CASES = [case for case in measure.CASES if case.group not in ("Short blocks", *measure.NOTES)]


def test_whole_signal(run):
    run()
