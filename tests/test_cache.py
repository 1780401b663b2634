"""The cache of compiled kernels, seen from fresh processes: kept, noticed when stale, never in the way."""

import json
import os
import shutil
from pathlib import Path

import pytest
from helpers import PACKAGE, answer_of_fresh_process, finish_process, start_process

KERNELS = sorted(path.name for path in (PACKAGE / "_kernels").glob("*.py"))

# One kernel, and what became of it. A result of [8, 4, 2] is right.
REPORT = """
import gc, json, sys
import numpy as np, sigrnn
y = sigrnn.lfilter(np.array([1.0]), np.array([1.0, -0.5]), np.array([8.0, 0.0, 0.0]))
from sigrnn._kernels.jit import KernelCache, folders
caches = [thing for thing in gc.get_objects() if type(thing) is KernelCache]
files = [path.name for folder in folders() if folder.is_dir() for path in folder.glob("*.nbc")]
print(json.dumps({
    "y": y.tolist(), "file": sigrnn.__file__, "files": sorted(files),
    "hits": sum(cache.hits for cache in caches), "misses": sum(cache.misses for cache in caches),
}))
"""
RIGHT = [8.0, 4.0, 2.0]
# Kernels beside their sources, unless a test says otherwise.
PLAIN = {"NUMBA_CACHE_DIR": None, "PYTHONDONTWRITEBYTECODE": "1"}


def report(site, env=None):
    """Filter once in a fresh process that imports the package in `site`."""
    found = answer_of_fresh_process(REPORT, env=PLAIN | (env or {}), packages=site, cwd=site)
    assert Path(found["file"]).parent == site / "sigrnn"
    return found


def copy_package(site):
    site.mkdir(parents=True, exist_ok=True)
    shutil.copytree(PACKAGE, site / "sigrnn", ignore=shutil.ignore_patterns("__pycache__"))
    return site


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """A copy of the package with a warm cache in it, and the report of the process that filled it. Not to be changed."""
    site = copy_package(tmp_path_factory.mktemp("warm"))
    return site, report(site)


@pytest.fixture
def site(warm, tmp_path):
    """A copy of that to play with."""
    shutil.copytree(warm[0], tmp_path / "site")
    return tmp_path / "site"


def kernel_files(site):
    return sorted((site / "sigrnn" / "_kernels" / "__pycache__").glob("*.nbc"))


# Kept


def test_second_process_loads(warm, site):
    first, second = warm[1], report(site)
    assert first["y"] == second["y"] == RIGHT
    assert (first["hits"], first["misses"]) == (0, 1)
    assert (second["hits"], second["misses"]) == (1, 0)  # although the package has moved
    assert second["files"] == first["files"]
    assert len(first["files"]) == 1
    touched = site / "sigrnn" / "_kernels" / "filters.py"
    os.utime(touched, (1, 1))
    third = report(site)  # dates do not matter
    assert (third["hits"], third["misses"]) == (1, 0)


def test_folder_of_the_users_choice(warm, tmp_path):
    chosen = tmp_path / "chosen"
    env = {"NUMBA_CACHE_DIR": str(chosen)}
    first, second = report(warm[0], env), report(warm[0], env)
    assert (first["misses"], second["misses"]) == (1, 0)
    assert len(list(chosen.rglob("*.nbc"))) == 1


def test_two_installs_share_a_folder(warm, site, tmp_path):
    env = {"NUMBA_CACHE_DIR": str(tmp_path / "chosen")}
    edit(site, "filters.py", "\n# another version\n")
    assert report(warm[0], env)["misses"] == 1
    assert report(site, env)["misses"] == 1
    assert report(warm[0], env)["misses"] == 0
    assert report(site, env)["misses"] == 0


# Stale


def edit(site, name, text):
    with (site / "sigrnn" / "_kernels" / name).open("a", encoding="utf-8") as file:
        file.write(text)


@pytest.mark.parametrize("name", KERNELS)
def test_any_edit_is_seen(site, name):
    edit(site, name, "\n# an edit\n")
    found = report(site)
    assert (found["y"], found["hits"], found["misses"]) == (RIGHT, 0, 1)
    assert len(kernel_files(site)) == 1  # the old one is gone


def test_all_kernel_files_are_watched():
    assert {"blocks.py", "filters.py", "fir.py", "jit.py", "scans.py", "vec.py"} <= set(KERNELS)
    assert not [path for path in (PACKAGE / "_kernels").iterdir() if path.is_dir() and path.name != "__pycache__"]


DOUBLED = """

@device
def doubled(order, b, a, z, c, s, x):
    return direct_form(order, b, a, z, c, s, 2.0 * x)


STEPS["direct"] = doubled
"""


def test_changed_helper_changes_the_result(site):
    # The step is inlined into a kernel of another file: what Numba's own cache would not see.
    source = site / "sigrnn" / "_kernels" / "filters.py"
    before = source.read_text("utf-8")
    edit(site, "filters.py", DOUBLED)
    assert report(site)["y"] == [16.0, 8.0, 4.0]
    source.write_text(before, "utf-8")
    assert report(site)["y"] == RIGHT


def test_new_file_is_seen(site):
    (site / "sigrnn" / "_kernels" / "more.py").write_text("# nothing yet\n", "utf-8")
    assert report(site)["misses"] == 1


@pytest.mark.parametrize("setting", ["NUMBA_OPT", "NUMBA_BOUNDSCHECK"])
def test_settings_of_the_compiler_have_entries_of_their_own(site, setting):
    other = report(site, {setting: "1"})
    assert (other["y"], other["misses"]) == (RIGHT, 1)
    plain = report(site)
    assert (plain["y"], plain["misses"]) == (RIGHT, 0)  # still there
    assert len(kernel_files(site)) == 2


# Never in the way


def test_nowhere_to_write(tmp_path):
    # Even root cannot make folders inside a file: the package, the home and the cache folder refuse.
    site = copy_package(tmp_path / "site")
    (site / "sigrnn" / "_kernels" / "__pycache__").write_text("no folder\n", "utf-8")
    for env in (
        {"HOME": "/dev/null/nobody", "XDG_CACHE_HOME": None},
        {"HOME": "/dev/null/nobody", "XDG_CACHE_HOME": None, "NUMBA_CACHE_DIR": "/dev/null/kernels"},
    ):
        found = report(site, env)
        assert (found["y"], found["misses"], found["files"]) == (RIGHT, 1, [])


def test_read_only_package_with_a_warm_cache(site):
    # As in an image that was warmed up when it was built.
    for path in (site / "sigrnn").rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        found = report(site, {"HOME": "/dev/null/nobody", "XDG_CACHE_HOME": None})
    finally:
        for path in (site / "sigrnn").rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert (found["y"], found["hits"], found["misses"]) == (RIGHT, 1, 0)


def test_home_where_the_package_is_read_only(tmp_path):
    site = copy_package(tmp_path / "site")
    (site / "sigrnn" / "_kernels" / "__pycache__").write_text("no folder\n", "utf-8")
    env = {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": None}
    assert report(site, env)["misses"] == 1
    assert report(site, env)["hits"] == 1
    assert len(list((tmp_path / "home" / ".cache").rglob("*.nbc"))) == 1


def test_home_that_is_not_known(tmp_path):
    # No HOME at all, and a user id without a home: pathlib raises RuntimeError.
    site = copy_package(tmp_path / "site")
    (site / "sigrnn" / "_kernels" / "__pycache__").write_text("no folder\n", "utf-8")
    code = "import pathlib\ndef home(): raise RuntimeError('no home')\npathlib.Path.home = home\n" + REPORT
    found = answer_of_fresh_process(code, env=PLAIN | {"HOME": None, "XDG_CACHE_HOME": None}, packages=site, cwd=site)
    assert (found["y"], found["files"]) == (RIGHT, [])


DAMAGES = {
    "empty": lambda data: b"",
    "cut short": lambda data: data[: len(data) // 2],
    "another pickle": lambda data: b"\x80\x04K\x01.",
    "zeros in the middle": lambda data: data[:3000] + bytes(2000) + data[5000:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_file_is_a_miss(site, damage):
    (path,) = kernel_files(site)
    good = path.read_bytes()
    path.write_bytes(DAMAGES[damage](good))
    found = report(site)
    assert (found["y"], found["hits"], found["misses"]) == (RIGHT, 0, 1)
    assert abs(path.stat().st_size - len(good)) < 1000  # written anew
    if damage == "cut short":
        assert report(site)["hits"] == 1


def test_folder_in_the_place_of_a_file(site):
    (path,) = kernel_files(site)
    path.unlink()
    path.mkdir()
    found = report(site)
    assert (found["y"], found["misses"]) == (RIGHT, 1)


def test_four_processes_at_once(tmp_path):
    site = copy_package(tmp_path / "site")
    processes = [start_process(REPORT, PLAIN, site, site) for _ in range(4)]
    found = [json.loads(finish_process(process)) for process in processes]
    assert [one["y"] for one in found] == [RIGHT] * 4
    folder = site / "sigrnn" / "_kernels" / "__pycache__"
    assert [path.name for path in folder.iterdir() if path.suffix != ".pyc"] == found[0]["files"][
        :1
    ]  # no .part is left
    after = report(site)
    assert (after["y"], after["hits"], after["misses"]) == (RIGHT, 1, 0)


def test_flush_forgets(site):
    code = (
        REPORT
        + "\nfor cache in caches: cache.flush()\nprint(json.dumps([p.name for f in folders() if f.is_dir() for p in f.glob('*.nbc')]))"
    )
    assert answer_of_fresh_process(code, env=PLAIN, packages=site, cwd=site) == []
    assert report(site)["misses"] == 1
