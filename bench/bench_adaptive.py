"""Adaptive filters beside padasip and adafilt."""

from sigrnn.bench import adaptive

CASES = adaptive.CASES


def test_adaptive(run):
    run()
