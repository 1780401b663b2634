"""What all benches share: a test for every case and library, checked before it is timed."""

import pytest

from sigrnn.bench import peers, timing

SMALL, LARGE = 20_000, 2**24  # samples of all channels: each bench once as a test, and as a measurement


def pytest_generate_tests(metafunc):
    """Give a bench that asks for a case and a library all those in its file's CASES that are installed."""
    if "library" not in metafunc.fixturenames:
        return
    pairs = [
        (case, library)
        for case in metafunc.module.CASES
        for library in (timing.OURS, *(name for name, peer in case.peers.items() if peer.installed()))
    ]
    metafunc.parametrize(("case", "library"), pairs, ids=[f"{case.name}: {library}" for case, library in pairs])


def _sized(case, config):
    return case.limited(SMALL if config.getoption("benchmark_disable") else LARGE)


@pytest.fixture
def call(case, library, request):
    """A library's call for a case, with its first results compared to the expected ones."""
    case = _sized(case, request.config)
    inputs = case.setup()
    try:
        expected = timing.expected_results(case, inputs)
    except ModuleNotFoundError as error:  # of the library whose results are the expected ones
        pytest.skip(str(error))
    with peers.threads(case.workers):
        try:
            bound, _ = timing.bind(case, inputs, library, expected)
        except Exception as error:
            if library == timing.OURS:
                raise
            pytest.skip(str(error))
    del expected  # as large as the signal
    with peers.threads(case.workers):  # again, as binding may have loaded a library that has threads
        yield bound


@pytest.fixture
def run(call, case, library, benchmark, request):  # `call` first: a benchmark that is skipped must not have been begun
    """A function that times the call, with the libraries of a case side by side in the table."""
    benchmark.group = case.name
    benchmark.extra_info.update(
        library=library, samples=_sized(case, request.config).samples, channels=case.channels, workers=case.workers
    )
    return lambda: benchmark(call)
