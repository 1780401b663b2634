"""Fixtures of the benches: one case and one library, with its results compared before it is timed."""

from functools import lru_cache

import pytest

from sigrnn.bench import case as cases
from sigrnn.bench import timing

SMALL, LARGE = 4096, 2**24  # samples of all channels: when benches run once, as tests, and when they are timed


@lru_cache(maxsize=1)  # the libraries of a case come one after the other
def prepared(case, total):
    """Inputs of a case, and the expected results or the reason why there are none."""
    case = case.limited(total)
    inputs = case.setup()
    try:
        return inputs, case.results(inputs), ""
    except ModuleNotFoundError as error:
        return inputs, [], str(error)


@pytest.fixture
def call(case, library, request):
    """A library's call for a case, after a comparison of its results."""
    total = SMALL if request.config.getoption("benchmark_disable") else LARGE
    inputs, expected, missing = prepared(case, total)
    if missing:
        pytest.skip(missing)
    with cases.threads(case.workers):
        try:
            bound, _ = timing.bind(case, inputs, library, expected)
        except Exception as error:
            if library == timing.OURS and not isinstance(error, ModuleNotFoundError):  # ours may need another, too
                raise
            pytest.skip(str(error))
    with cases.threads(case.workers):  # again, as binding may have loaded a library that has threads
        yield bound


@pytest.fixture
def run(call, case, library, benchmark):  # `call` first: a benchmark that is skipped must not have begun
    """Time the call, with the libraries of a case in one group."""
    benchmark.group = f"{case.group}: {case.name}"
    benchmark.extra_info.update(library=library, samples=case.samples, channels=case.channels, workers=case.workers)
    return lambda: benchmark(call)
