"""Build the extension module with the machine code of kernels: `setup.py` asks for it where `SIGRNN_MACHINE_CODE` is set."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from ast import literal_eval
from collections.abc import Iterable, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from levels import KNOWN
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
SWITCH, LEVELS = "SIGRNN_MACHINE_CODE", "SIGRNN_MACHINE_CODE_LEVELS"


def wanted_levels() -> list[str]:
    """The levels to build for: all that there are for processors of this kind, unless the environment names some."""
    wish = os.environ.get(LEVELS)
    if wish:
        return wish.split(",")
    return [name for name in KNOWN if (name != "generic") == (platform.machine() in ("x86_64", "AMD64"))]


def wanted_calls() -> list[str]:
    """Names of the calls whose kernels are wanted: all if the switch is 1."""
    wish = os.environ[SWITCH]
    return [] if wish == "1" else wish.split(",")


class Build(build_ext):
    """Machine code first, then its wrappers as any other extension module."""

    def build_extension(self, ext: Any) -> None:
        folder = Path(self.build_temp).resolve() / "machine_code"
        folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        names = wanted_levels()
        objects = make_objects(folder, names, wanted_calls())
        sys.path[:0] = [str(HERE), str(HERE.parent)]
        import glue
        import numpy as np

        from sigrnn._lookup import digest

        ext.sources = [os.path.relpath(glue.write(folder, names, digest()))]
        ext.extra_objects = objects
        ext.libraries = ["m"] if os.name == "posix" else []
        ext.include_dirs = [str(HERE), np.get_include()]
        super().build_extension(ext)
        made = spec_from_file_location("_machine_code", self.get_ext_fullpath(ext.name))
        assert made is not None
        module_from_spec(made)  # an error, if a kernel calls what is not there
        size = Path(self.get_ext_fullpath(ext.name)).stat().st_size / 1e6
        print(f"machine code: {size:.1f} MB for {', '.join(names)} in {time.monotonic() - began:.0f} s", flush=True)


def make_objects(folder: Path, names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Object files of all levels, each with its description; as many processes at a time as there are processors."""
    for old in folder.iterdir():
        old.unlink()
    widths = sorted({KNOWN[level][1] for level in names})
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    requests: dict[int, list[str]] = {}
    for width in widths:  # one after the other: what they have in common is compiled once
        parts = [[HERE / "record.py", str(width), str(i), str(count), *wanted] for i in range(count)]
        outputs = run_all([(part, {}, b"") for part in parts])
        requests[width] = sorted({request for output in outputs for request in json.loads(output)})
    for level in names:
        features, width = KNOWN[level]
        env = {"NUMBA_CPU_NAME": level, "NUMBA_CPU_FEATURES": features}
        run_all(
            ([HERE / "emit.py", level, str(i), str(folder)], env, json.dumps(share).encode())
            for i, share in enumerate(shares(requests[width], count))
        )
    return sorted(str(path) for path in folder.glob("*.o"))


def shares(requests: Sequence[str], count: int) -> list[list[str]]:
    """Requests in at most `count` lists of similar length; those that are likely to have functions in common stay together."""
    groups: dict[Any, list[str]] = {}
    for request in requests:
        file, _, arguments = literal_eval(request)
        groups.setdefault((file.partition(".")[0], "f" in arguments), []).append(request)
    found: list[list[str]] = [[] for _ in range(count)]
    for group in sorted(groups.values(), key=len, reverse=True):
        min(found, key=len).extend(group)
    return [share for share in found if share]


def run_all(jobs: Iterable[tuple[list[Any], dict[str, str], bytes]]) -> list[bytes]:
    """The outputs of scripts, which run side by side."""
    common = {"PYTHONPATH": os.pathsep.join([str(HERE.parent), *filter(None, sys.path)]), "SIGRNN_QUIET": "1"}
    running = []
    for arguments, env, given in jobs:
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            env=os.environ | common | env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin is not None
        process.stdin.write(given)
        process.stdin.close()
        process.stdin = None
        running.append(process)
    outputs = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise RuntimeError("machine code could not be built: see above")
    return outputs
