"""The cache of compiled kernels, seen from fresh processes: kept, noticed when stale, never in the way."""

import json
import os
import shutil
from pathlib import Path

import pytest
from helpers import PACKAGE, answer_of_fresh_process, finish_process, run_in_fresh_process, start_process

KERNELS = sorted(path.relative_to(PACKAGE / "_kernels").as_posix() for path in (PACKAGE / "_kernels").rglob("*.py"))

# One kernel, and what became of it. A result of [8, 4, 2] is right.
REPORT = """
import gc, json, sys
import numpy as np, sigrnn
y = sigrnn.lfilter(np.array([1.0]), np.array([1.0, -0.5]), np.array([8.0, 0.0, 0.0]))
from sigrnn._kernels.base.jit import KernelCache, folders
caches = [thing for thing in gc.get_objects() if type(thing) is KernelCache]
files = [path.name for folder in folders() if folder.is_dir() for path in folder.glob("*.nbc")]
print(json.dumps({
    "y": y.tolist(), "file": sigrnn.__file__, "files": sorted(files),
    "hits": sum(cache.hits for cache in caches), "misses": sum(cache.misses for cache in caches),
}))
"""
RIGHT = [8.0, 4.0, 2.0]
# Kernels next to their sources, unless a test sets another place.
PLAIN = {"NUMBA_CACHE_DIR": None, "PYTHONDONTWRITEBYTECODE": "1"}


def report(site, env=None):
    """Filter once in a fresh process that imports the package in `site`."""
    found = answer_of_fresh_process(REPORT, env=PLAIN | (env or {}), packages=site, cwd=site)
    assert Path(found["file"]).parent == site / "sigrnn"
    return found


# The same for many copies of the package, one in each forked child, after what takes long and is not ours.
BATCH = f"""
import os, sys, traceback
import numba
from numba.core import entrypoints
entrypoints._already_initialized = True  # no extensions: an installed sigrnn has one, and would be imported here
numba.njit(lambda x: x)(1)
for site in sys.argv[1:]:
    child = os.fork()
    if not child:
        status = 1
        try:
            sys.path.insert(0, site)
            exec({REPORT!r})
            status = 0
        except Exception:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)
    if os.waitpid(child, 0)[1]:
        print('{{"died": true}}', flush=True)
"""


def reports(sites):
    """The output of `report` for each site, or that it died."""
    if not hasattr(os, "fork"):
        return [report(site) for site in sites]
    code = f"import sys; sys.argv[1:] = {[str(site) for site in sites]!r}\n{BATCH}"
    found = [json.loads(line) for line in run_in_fresh_process(code, env=PLAIN, cwd=sites[0].parent).splitlines()]
    for one, site in zip(found, sites, strict=True):
        assert one.get("died") or Path(one["file"]).parent == site / "sigrnn"
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
    touched = site / "sigrnn" / "_kernels" / "filters" / "steps.py"
    os.utime(touched, (1, 1))
    third = report(site)  # dates do not matter
    assert (third["hits"], third["misses"]) == (1, 0)


def test_folder_of_the_users_choice(warm, site, tmp_path):
    # Two installs share it and leave each other's kernels alone.
    chosen = tmp_path / "chosen"
    env = {"NUMBA_CACHE_DIR": str(chosen)}
    edit(site, "filters/steps.py", "\n# another version\n")
    assert report(warm[0], env)["misses"] == 1
    assert report(site, env)["misses"] == 1
    assert report(warm[0], env)["misses"] == 0
    assert report(site, env)["misses"] == 0
    assert len(list(chosen.rglob("*.nbc"))) == 2


# Stale


def edit(site, name, text):
    with (site / "sigrnn" / "_kernels" / name).open("a", encoding="utf-8") as file:
        file.write(text)


EDITS = {name: (name, "\n# an edit\n") for name in KERNELS} | {"a new file": ("filters/more.py", "# nothing yet\n")}


@pytest.fixture(scope="module")
def edited(warm, tmp_path_factory):
    """Copies with a warm cache in which one kernel file was edited, and what became of them."""
    sites = [tmp_path_factory.mktemp("edited") / "site" for _ in EDITS]
    for site, (name, text) in zip(sites, EDITS.values(), strict=True):
        shutil.copytree(warm[0], site)
        edit(site, name, text)
    return dict(zip(EDITS, zip(sites, reports(sites), strict=True), strict=True))


@pytest.mark.parametrize("name", EDITS)
def test_any_edit_is_seen(edited, name):
    site, found = edited[name]
    elsewhere = EDITS[name][0].startswith(("adaptive/", "layers/", "systems/"))  # a filter is not made of those
    assert (found["y"], found["hits"], found["misses"]) == (RIGHT, int(elsewhere), int(not elsewhere))
    assert len(kernel_files(site)) == 1  # the old one is gone


@pytest.mark.parametrize("folder", ["adaptive", "base", "filters", "layers", "systems"])
def test_each_folder_watches_its_own_files(folder, tmp_path, monkeypatch):
    from sigrnn._kernels.base import jit

    copied = copy_package(tmp_path) / "sigrnn" / "_kernels"
    monkeypatch.setattr(jit, "HERE", copied)
    digest = jit.sources.__wrapped__
    before = digest(copied / folder)
    for edited in ("sizes.py", "base/vec.py", f"{folder}/__init__.py"):
        edit(tmp_path, edited, "\n# an edit\n")
        assert digest(copied / folder) != before
        before = digest(copied / folder)


def test_all_kernel_files_are_watched():
    folders = {path.name for path in (PACKAGE / "_kernels").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == {"adaptive", "base", "filters", "layers", "systems"}
    assert folders <= {name.partition("/")[0] for name in KERNELS}
    assert {"sizes.py", "base/jit.py", "base/vec.py", "filters/loops.py", "filters/steps.py"} <= set(KERNELS)


DOUBLED = """

@device
def doubled(order, b, a, z, c, s, x):
    return direct_form(order, b, a, z, c, s, 2.0 * x)


STEPS["direct"] = Recurrence(doubled)
"""


def test_changed_helper_changes_the_result(site):
    # The step is inlined into a kernel of another file: what Numba's own cache would not see.
    edit(site, "filters/steps.py", DOUBLED)
    assert report(site)["y"] == [16.0, 8.0, 4.0]


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


@pytest.fixture(scope="module")
def damaged(warm, tmp_path_factory):
    """Copies whose only cache file was damaged, or is a folder, and what became of them."""
    sites = [tmp_path_factory.mktemp("damaged") / "site" for _ in (*DAMAGES, "folder")]
    for site, damage in zip(sites, (*DAMAGES.values(), None), strict=True):
        shutil.copytree(warm[0], site)
        (path,) = kernel_files(site)
        if damage is None:
            path.unlink()
            path.mkdir()
        else:
            path.write_bytes(damage(path.read_bytes()))
    return dict(zip((*DAMAGES, "folder"), zip(sites, reports(sites), strict=True), strict=True))


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_file_is_a_miss(warm, damaged, damage):
    site, found = damaged[damage]
    assert not found.get("died")
    assert (found["y"], found["hits"], found["misses"]) == (RIGHT, 0, 1)
    (path,), (good,) = kernel_files(site), kernel_files(warm[0])
    assert abs(path.stat().st_size - good.stat().st_size) < 1000  # written anew


def test_folder_in_the_place_of_a_file(damaged):
    _, found = damaged["folder"]
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
        + "for cache in caches: cache.flush()\nprint(json.dumps([p.name for f in folders() for p in f.glob('*.nbc')]))"
    )
    assert answer_of_fresh_process(code, env=PLAIN, packages=site, cwd=site) == []
