"""All cases of `sigrnn bench`, and its table of lengths: each library of each case is a bench of its own."""

from dataclasses import replace

import pytest

from sigrnn.bench import lengths
from sigrnn.bench.cases import CASES
from sigrnn.bench.timing import OURS


def pytest_generate_tests(metafunc):
    """Give each bench its cases; lengths only at the first length, when benches run once as tests."""
    if "library" not in metafunc.fixturenames:
        return
    cases = CASES
    if metafunc.function is test_length:
        sizes = lengths.SHORT[:1] if metafunc.config.getoption("benchmark_disable") else lengths.FULL
        cases = [replace(column, samples=n) for column in lengths.COLUMNS for n in sizes]
    pairs = [
        pytest.param(case, library, id=f"{case.name}, {case.samples}: {library}")
        for case in cases
        for library in (OURS, *case.peers)
    ]
    metafunc.parametrize(("case", "library"), pairs)


def test_case(run):
    run()


def test_length(run):
    run()
