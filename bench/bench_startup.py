"""Fresh processes: the cost of an import, and the time to the first filtered sample."""

import pytest

from sigrnn.bench.timing import FIRST, STARTS, fresh


@pytest.fixture(scope="module")
def warm_cache(tmp_path_factory):
    """Environment of a process whose Numba cache holds all that the others need."""
    cache = {"NUMBA_CACHE_DIR": str(tmp_path_factory.mktemp("cache"))}
    fresh(STARTS[FIRST], cache)
    return cache


@pytest.mark.parametrize("name", STARTS)
def test_start(name, warm_cache, benchmark):
    benchmark.group = "cold start"
    benchmark.pedantic(fresh, (STARTS[name], warm_cache), rounds=5, warmup_rounds=1)


def test_start_with_an_empty_cache(tmp_path, benchmark):
    benchmark.group = "cold start, empty cache"
    benchmark.pedantic(fresh, (STARTS[FIRST], {"NUMBA_CACHE_DIR": str(tmp_path)}))
