"""Recurrent layers: whole sequences forward and backward, and block by block, beside PyTorch."""

from sigrnn.bench import filters, layer_streams, measure

CASES = [case for case in (*filters.CASES, *layer_streams.CASES) if case.group in measure.RATES]


def test_layer(run, case, benchmark):
    run()
    if benchmark.stats:  # not when benches run once, as tests
        rate = measure.RATES[case.group]
        benchmark.extra_info[f"times real time at {rate} Hz"] = case.samples / rate / benchmark.stats.stats.median
