"""Files are written whole or not at all, and whatever a file holds, reading it raises ValueError at worst."""

import io
import os
import stat
import sys
import threading
import zipfile
from contextlib import suppress

import numpy as np
import pytest

import sigrnn
from sigrnn._utils import files as _files

posix = pytest.mark.skipif(sys.platform == "win32", reason="links, pipes and modes of POSIX")


def put(path, data=b"new"):
    with _files.replacing(path) as file:
        file.write(data)


def test_a_new_file_has_the_mode_of_any_other(tmp_path):
    put(tmp_path / "a")
    (tmp_path / "b").write_bytes(b"")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OSError])
def test_an_error_keeps_the_old_file_and_leaves_nothing_else(tmp_path, error):
    (tmp_path / "a").write_bytes(b"old")

    def fail():
        with _files.replacing(tmp_path / "a") as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        fail()
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


@posix
def test_mode_and_link_are_kept(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "a").chmod(0o600)
    (tmp_path / "link").symlink_to("a")
    put(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    (tmp_path / "dangling").symlink_to("b")
    put(tmp_path / "dangling")
    assert (tmp_path / "b").read_bytes() == b"new"


@posix
def test_what_is_no_regular_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / "pipe", tmp_path / "loop", tmp_path, "/dev/null"):
        before = os.lstat(path).st_mode
        with pytest.raises(OSError, match="not a regular file") as error:
            put(path)
        assert error.value.filename == os.fspath(path)
        assert os.lstat(path).st_mode == before
    assert sorted(os.listdir(tmp_path)) == ["loop", "pipe"]


def test_a_missing_folder_is_named_as_it_was_given(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        put(tmp_path / "none" / "a")
    assert error.value.filename == str(tmp_path / "none" / "a")


def test_several_writers_of_one_file(tmp_path):
    """Each in turn or at the same time: a reader sees one of them, whole."""
    path, wrong = tmp_path / "m.npz", []

    def save(number):
        try:
            for _ in range(20):
                _files.write(path, {"a": np.full(1000, number)})
                _, arrays = _files.read(path, "is broken")
                if len(set(arrays["a"].tolist())) != 1:
                    wrong.append(arrays)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert os.listdir(tmp_path) == ["m.npz"]


# Reading


def damaged():
    """Archives that Python and NumPy refuse in ways of their own."""
    file = io.BytesIO()
    np.savez_compressed(file, a=np.random.default_rng(0).standard_normal(1000))
    whole = file.getvalue()
    deep = io.BytesIO()
    with zipfile.ZipFile(deep, "w") as archive:
        text = b"(" * 5000 + b"\n"
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
    huge = io.BytesIO()
    with zipfile.ZipFile(huge, "w") as archive:
        text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**55},)}}".encode().ljust(117) + b"\n"
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
    return {"deflated": whole[:500] + bytes(8) + whole[508:], "deep": deep.getvalue(), "huge": huge.getvalue()}


@pytest.mark.parametrize("kind", ["deflated", "deep", "huge"])
def test_damaged_archives(tmp_path, kind):
    (tmp_path / "m.npz").write_bytes(damaged()[kind])
    with pytest.raises(ValueError, match=r"m\.npz is not a sigrnn model file"):
        sigrnn.load(tmp_path / "m.npz")


@pytest.mark.slow
def test_any_damage_is_a_value_error(tmp_path, rng):
    file = io.BytesIO()
    sigrnn.Chain(sigrnn.GRU(2), sigrnn.Dense(1)).init(1).save(file)
    whole = np.frombuffer(file.getvalue(), np.uint8)
    for _ in range(2000):
        broken = whole.copy()
        broken[rng.integers(0, len(whole), rng.integers(1, 4))] = rng.integers(0, 256)
        with suppress(ValueError):
            _files.read(io.BytesIO(broken[: rng.integers(1, len(whole) + 1)].tobytes()), "is broken")


def test_a_small_file_does_not_fill_the_memory(tmp_path):
    """One of 0.3 MB that would unpack to 300 MB."""
    with zipfile.ZipFile(tmp_path / "m.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.npy", "w") as file:
        for _ in range(300):
            file.write(bytes(1_000_000))
    with pytest.raises(ValueError, match=r"bytes that unpack to 300000000"):
        sigrnn.load(tmp_path / "m.npz")


def test_compressed_archives_are_read(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", a=np.arange(10_000) % 7)
    _, arrays = _files.read(tmp_path / "a.npz", "is broken")
    np.testing.assert_array_equal(arrays["a"], np.arange(10_000) % 7)
