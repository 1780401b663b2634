"""Recurrent layers: forward, and forward and backward, beside PyTorch."""

from sigrnn.bench import measure

CASES = [case for case in measure.CASES if case.group in measure.RATES]


def test_layer(run, case, benchmark):
    run()
    if benchmark.stats:  # not when benches run once, as tests
        rate = measure.RATES[case.group]
        benchmark.extra_info[f"times real time at {rate} Hz"] = case.samples / rate / benchmark.stats.stats.median
