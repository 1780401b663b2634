"""What is compiled, and how much of it: a kernel that doubles is seen, and another filter compiles only what is its own."""

import pytest
from helpers import answer_of_fresh_process, run_in_fresh_process, start_process

# A first call of each function in a new installation; prints the LLVM lines of every kernel that it compiled.
FIRST = """
import json
import numpy as np
import sigrnn
from sigrnn._kernels.base import jit

lines, new = {}, {}
store = jit.KernelCache.save_overload

def count(cache, signature, result):
    new[cache.name] = lines[cache.name] = result.library.get_llvm_str().count(chr(10))
    store(cache, signature, result)

jit.KernelCache.save_overload = count
x = np.ones(10_000)

def made(call):
    new.clear()
    call()
    return dict(new)

def gradients(function, *arguments):
    y, pullback = sigrnn.vjp(function, *arguments)
    pullback(y)

steps = {
    "lfilter": made(lambda: sigrnn.lfilter([0.1, 0.2, 0.1], [1, -0.5, 0.2], x)),
    "another order": made(lambda: sigrnn.lfilter([0.1, 0.2, 0.1, 0.0], [1, -0.5, 0.2, 0.1], x)),
    "another length": made(lambda: sigrnn.lfilter([0.1, 0.2, 0.1], [1, -0.5, 0.2], np.ones(3_000))),
    "other coefficients": made(lambda: sigrnn.lfilter([0.1, 0.3, 0.1], [1, -0.4, 0.2], x)),
    "sosfilt": made(lambda: sigrnn.sosfilt([[0.1, 0.2, 0.1, 1, -0.5, 0.2]] * 4, x)),
    "channels": made(lambda: sigrnn.lfilter([0.1, 0.2, 0.1], [1, -0.5, 0.2], np.ones((16, 500)))),
    "filtfilt": made(lambda: sigrnn.filtfilt([0.1, 0.2, 0.1], [1, -0.5, 0.2], x)),
    "vjp": made(lambda: gradients(sigrnn.lfilter, [0.1, 0.2, 0.1], [1, -0.5, 0.2], np.ones(20_000))),
}
print(json.dumps(steps))
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("numba")
    return answer_of_fresh_process(FIRST, env={"NUMBA_CACHE_DIR": folder}, timeout=600)


# A fifth more than they are as this is written; loops around filters are compiled once for all of them, so they may be long.
LINES = {"taped_d": 2900, "section_gradients_d": 2800, "channels_d": 3900}
FEW = 1700


@pytest.mark.slow
def test_no_kernel_is_larger_than_it_has_to_be(compiled):
    lines = {name: count for step in compiled.values() for name, count in step.items()}
    assert set(LINES) <= set(lines)
    assert {name: count for name, count in lines.items() if count > LINES.get(name, FEW)} == {}
    assert sum(lines.values()) < 19_000


@pytest.mark.slow
def test_another_filter_compiles_what_is_its_own(compiled):
    assert set(compiled["another order"]) == {"sequential_direct3_1_d", "block_sweep_direct3_1", "block_ends3"}
    assert set(compiled["sosfilt"]) == {"sequential_sections2_4_d", "block_sweep_sections2_4", "block_ends8"}
    assert compiled["another length"] == compiled["other coefficients"] == {}
    assert set(compiled["channels"]) == {"channels_d", "gather_d", "scatter_d", "lanes_sweep_direct2_1"}
    assert set(compiled["filtfilt"]) == {"extend"}


CALL = "import numpy as np, sigrnn; sigrnn.filtfilt([0.1, 0.2], [1, -0.5], np.ones(20_000))"


def test_a_long_compilation_is_said_once_and_a_cached_one_never(tmp_path):
    def errors(**env):
        process = start_process(CALL, env={"NUMBA_CACHE_DIR": tmp_path, **env})
        return process.communicate(timeout=300)[1]

    assert errors(SIGRNN_QUIET="1") == ""
    for file in tmp_path.rglob("*.nbc"):
        file.unlink()
    assert errors(SIGRNN_QUIET=None).count("sigrnn: compiling") == 1
    assert errors(SIGRNN_QUIET=None) == ""


def test_compilation_in_a_process_without_standard_error(tmp_path):
    code = "import sys; sys.stderr = None; from sigrnn._kernels.base import notice; notice._say()"
    assert run_in_fresh_process(code) == ""


def test_functions_of_two_processes_have_different_symbols():
    """The cache brings kernels of several processes together, and helpers of one name differ by a number alone."""
    code = (
        "from sigrnn._kernels.base import jit\n"
        "from numba.core.bytecode import FunctionIdentity\n"
        "print(FunctionIdentity.from_function(lambda: 0).unique_id)"
    )
    assert len({answer_of_fresh_process(code) for _ in range(3)}) == 3
