"""`sigrnn run`: a script or a module, as Python runs it, with sigrnn's functions in the place of SciPy's."""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

from sigrnn.cli._common import CommandError
from sigrnn.patching.patch import VARIABLE, known, patch_scipy, reach_children
from sigrnn.patching.report import report

USAGE = "sigrnn run [-h] [--only NAME,...] [--report] (SCRIPT | -m MODULE) [ARGUMENT ...]"
NOTES = """\
examples:
  python -m sigrnn run analysis.py --subject 3
  python -m sigrnn run --report -m pytest tests/

Processes that the program starts are patched as well: SIGRNN_PATCH and PYTHONPATH are set for them. The exit code is the
program's.
"""


def parser() -> argparse.ArgumentParser:
    """Of the options before the program's name."""
    made = argparse.ArgumentParser(
        prog="sigrnn run",
        usage=USAGE,
        description="Run a Python program with sigrnn's functions in the place of scipy.signal's.",
        epilog=NOTES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--only", metavar="NAME,...", default="", help="functions to replace (default: all there are)")
    made.add_argument("--report", action="store_true", help="at the end, print to stderr what was called")
    made.add_argument("-m", dest="module", action="store_true", help="run a module, as python -m does")
    made.add_argument("program", metavar="SCRIPT", help="the program, and its arguments")
    return made


def options_before(argv: Sequence[str]) -> int:
    """How many arguments are ours; those after the program's name are the program's, whatever they look like."""
    at = 0
    while at < len(argv) and argv[at].startswith("-"):
        at += 2 if argv[at] == "--only" else 1
    return at


def run(argv: Sequence[str]) -> int:
    """Run the program; its exceptions, SystemExit included, go on to the caller."""
    count = options_before(argv) + 1
    args = parser().parse_args(argv[:count])
    try:
        names = known(name for name in args.only.split(",") if name)
    except ValueError as error:
        raise CommandError(f"--only: {error}") from None
    if not (args.module or Path(args.program).exists()):
        raise CommandError(f"{args.program}: no such file")
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, {VARIABLE: ",".join(names)}))
        reach_children()
        stack.enter_context(patch_scipy(*names))
        if args.report:
            counts = stack.enter_context(report())
            stack.callback(lambda: print(counts, file=sys.stderr))
        stack.enter_context(mock.patch.object(sys, "argv", [args.program, *argv[count:]]))
        first = os.getcwd() if args.module else os.path.dirname(os.path.abspath(args.program))
        stack.enter_context(mock.patch.object(sys, "path", sys.path if sys.flags.safe_path else [first, *sys.path[1:]]))
        if args.module:
            runpy.run_module(args.program, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(args.program, run_name="__main__")
    return 0
