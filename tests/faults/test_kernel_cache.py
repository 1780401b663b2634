"""Who may read and write compiled kernels: they are code, and a pickle, that every program of a user runs."""

import os
import stat
import time

import pytest
from helpers import answer_of_fresh_process

owned = pytest.mark.skipif(not hasattr(os, "getuid"), reason="this system's files have other permissions")

REPORT = """
import gc, json, os, sys
os.umask(int(sys.argv[1], 8))
import numpy as np, sigrnn
y = sigrnn.lfilter(np.array([1.0]), np.array([1.0, -0.5]), np.array([8.0, 0.0, 0.0]))
assert y.tolist() == [8.0, 4.0, 2.0]
from sigrnn._kernels.base.jit import KernelCache
print(json.dumps(sum(thing.hits for thing in gc.get_objects() if type(thing) is KernelCache)))
"""


def hits(folder, umask="022"):
    """How many kernels a fresh process loads from this cache, which has one if any."""
    code = f"import sys; sys.argv[1:] = ['{umask}']\n{REPORT}"
    return answer_of_fresh_process(code, env={"NUMBA_CACHE_DIR": str(folder)})


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A cache with one kernel."""
    folder = tmp_path_factory.mktemp("cache")
    assert hits(folder) == 0
    return folder


@pytest.fixture
def kernel(made):
    """The file of the kernel, which others can read and not write, as its folder."""
    (path,) = made.rglob("*.nbc")
    yield path
    path.chmod(0o644)
    path.parent.chmod(0o755)


@owned
def test_modes(made, kernel):
    assert mode(kernel) == 0o644
    assert mode(kernel.parent) == 0o755
    assert hits(made) == 1


@owned
@pytest.mark.parametrize(("umask", "expected"), [("077", 0o600), ("027", 0o640), ("000", 0o644)])
def test_modes_by_umask(umask, expected, tmp_path):
    assert hits(tmp_path, umask) == 0
    (path,) = tmp_path.rglob("*.nbc")
    assert mode(path) == expected
    assert hits(tmp_path, umask) == 1


@owned
@pytest.mark.parametrize("bits", [0o666, 0o664, 0o646])
def test_a_file_that_others_can_write(made, kernel, bits):
    before = kernel.stat().st_ino
    kernel.chmod(bits)
    assert hits(made) == 0  # compiled again
    assert kernel.stat().st_ino != before  # and in its place
    assert mode(kernel) == 0o644
    assert hits(made) == 1


@owned
@pytest.mark.parametrize("bits", [0o777, 0o1777, 0o775])
def test_a_folder_that_others_can_write(made, kernel, bits):
    kernel.parent.chmod(bits)
    assert hits(made) == 0
    assert len(list(made.rglob("*.nbc"))) == 1  # nothing is kept there


@owned
def test_a_planted_kernel_is_not_run(made, kernel, tmp_path):
    import hashlib
    import pickle

    class Planted:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "run"),)

    data, whole = pickle.dumps(Planted()), kernel.read_bytes()
    kernel.write_bytes(hashlib.sha256(data).digest() + data)
    kernel.chmod(0o666)
    assert hits(made) == 0
    assert not (tmp_path / "run").exists()
    assert len(kernel.read_bytes()) > len(whole) // 2


@owned
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid(), reason="only root can give a file to another user")
def test_a_file_of_another_user(made, kernel):
    os.chown(kernel, 12345, 12345)
    assert hits(made) == 0


def test_what_killed_processes_left(made, kernel):
    old, new = kernel.parent / "0.part", kernel.parent / "1.part"
    for path in (old, new):
        path.write_bytes(b"half a kernel")
    os.utime(old, (time.time() - 7200,) * 2)
    kernel.unlink()
    assert hits(made) == 0
    assert not old.exists()
    assert new.exists()  # another process may be writing it
    new.unlink()
