"""Short blocks: what a call costs, with a state that goes in and out or is kept."""

from sigrnn.bench import measure

CASES = measure.select("Stream*") + measure.select("64 samples*")
RATE = 48_000  # Hz


def test_block(run, case, benchmark):
    run()
    if benchmark.stats:  # not when benches run once, as tests
        benchmark.extra_info["times real time at 48 kHz"] = case.samples / RATE / benchmark.stats.stats.median
