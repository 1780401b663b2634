"""Fresh processes: what an import costs, and the way to the first filtered sample."""

import pytest

from sigrnn.bench import timing

FIRST = timing.STARTS["import sigrnn, first lfilter"]


@pytest.fixture(scope="module")
def warm_cache(tmp_path_factory):
    """Environment of a process whose Numba cache holds all that the others need."""
    cache = {"NUMBA_CACHE_DIR": str(tmp_path_factory.mktemp("cache"))}
    timing.fresh(FIRST, cache)
    return cache


@pytest.mark.parametrize("name", timing.STARTS)
def test_start(name, warm_cache, benchmark):
    benchmark.group = "cold start"
    benchmark.pedantic(timing.fresh, (timing.STARTS[name], warm_cache), rounds=5, warmup_rounds=1)


def test_start_with_an_empty_cache(tmp_path, benchmark):
    benchmark.group = "cold start, empty cache"
    benchmark.pedantic(timing.fresh, (FIRST, {"NUMBA_CACHE_DIR": str(tmp_path)}))
