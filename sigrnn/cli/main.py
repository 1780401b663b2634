"""The command line: sigrnn filter, train, apply, demo, info, warmup, bench.

What is slow to import (Numba, SciPy's designs, matplotlib) waits until a command needs it: --help answers at once.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from sigrnn.cli import _common, audio, train
from sigrnn.cli._common import CommandError, complain, count, counted, progress, refuse_overwriting, report, writer

if TYPE_CHECKING:
    from sigrnn.cli.filter import Filter

OPTIONAL = ("soundfile", "tqdm", "matplotlib", "PyWavelets", "heartpy", "statsmodels", "reservoirpy")

FILTER_NOTES = """\
examples:
  sigrnn filter in.wav out.wav --butter 4 --cutoff 8000
  sigrnn filter in.wav out.flac --ellip 6 --cutoff 300 3400 --ripple 0.5 --attenuation 50
  sigrnn filter in.wav out.wav --fir 101 --type highpass --cutoff 80 --zero-phase

The output keeps the input's rate, channels, length and sample format. Integer formats round to nearest; samples that do
not fit are clipped, counted and reported. Memory does not grow with the file: the result does not depend on --block.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str, optional
        Its arguments; those of the process if not given.

    Returns
    -------
    int
        The exit code: 0, or 1 for a command that failed, 2 for a request that makes no sense, 130 for Ctrl-C.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        if argv[:1] == ["bench"]:  # it has a parser of its own
            return int(import_module("sigrnn.bench.main").main(argv[1:]) or 0)
        args = _parser().parse_args(argv)
        code: int = args.run(args)
        return code
    except SystemExit as request:  # argparse: --help, --version, usage
        return request.code if isinstance(request.code, int) else int(request.code is not None)
    except KeyboardInterrupt:
        return complain("interrupted", 130)
    except (CommandError, audio.AudioError, OSError) as error:
        return complain(" ".join(str(error).split()), 2)


# -------------------------------------------------------------------------------------------------------------- parser


class _Parser(argparse.ArgumentParser):
    """Errors in one line, without the page of usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="sigrnn", description="Filters as scipy.signal's, several times faster.")
    parser.add_argument("--version", action="version", version=f"sigrnn {_version('sigrnn')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_filter(commands)
    train.add(commands)
    demo = commands.add_parser("demo", help="filter real recordings, time it against SciPy, draw a picture")
    demo.add_argument("--out", metavar="PNG", default="sigrnn-demo.png", help="the picture (default: %(default)s)")
    demo.add_argument("--quick", action="store_true", help="small sizes, few rounds")
    demo.set_defaults(run=_demo)
    commands.add_parser("info", help="versions, processor, cache, optional packages").set_defaults(run=_info)
    commands.add_parser("warmup", help="compile into the cache now, not at first use").set_defaults(run=_warmup)
    commands.add_parser("bench", help="measure this machine (see sigrnn bench --help)", add_help=False)
    return parser


def _add_filter(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "filter",
        help="filter an audio file of any length",
        epilog=FILTER_NOTES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", metavar="IN", help="WAV; with soundfile installed also FLAC, Ogg, AIFF, ...")
    parser.add_argument("output", metavar="OUT", help="its extension chooses the format")
    _add_designs(parser)
    run = parser.add_argument_group("running")
    run.add_argument("--zero-phase", action="store_true", help="forward and backward: no delay, twice the attenuation")
    run.add_argument("--block", type=count, default=2**16, metavar="N", help="samples at a time (%(default)s)")
    run.add_argument("--workers", type=count, default=1, metavar="N", help="threads (%(default)s)")
    run.add_argument("--subtype", help="sample format if not the input's: PCM_16, PCM_24, FLOAT, ...")
    parser.set_defaults(run=_filter)


def _add_designs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("filter (one of)")
    one = group.add_mutually_exclusive_group(required=True)
    for family, name, size in (
        ("butter", "Butterworth", "ORDER"),
        ("cheby1", "Chebyshev, ripple in the pass band", "ORDER"),
        ("cheby2", "Chebyshev, ripple in the stop band", "ORDER"),
        ("ellip", "elliptic", "ORDER"),
        ("fir", "windowed FIR (Hamming)", "TAPS"),
    ):
        one.add_argument(f"--{family}", dest="design", type=_design(family), metavar=size, help=name)
    band = parser.add_argument_group("band")
    band.add_argument("--cutoff", type=float, nargs="+", required=True, metavar="HZ", help="an edge, or two for a band")
    band.add_argument("--type", choices=("lowpass", "highpass", "bandpass", "bandstop"), help="default: by --cutoff")
    band.add_argument("--ripple", type=float, metavar="DB", help="of cheby1 and ellip (default: 1)")
    band.add_argument("--attenuation", type=float, metavar="DB", help="of cheby2 and ellip (default: 60)")


def _design(family: str) -> Callable[[str], tuple[str, int]]:
    return lambda text: (family, count(text))


# -------------------------------------------------------------------------------------------------------------- filter


def _filter(args: argparse.Namespace) -> int:
    from sigrnn.cli import filter as offline
    from sigrnn.workers import set_workers

    refuse_overwriting(args.input, args.output)
    with audio.open_reader(args.input) as source:
        try:
            family, order = args.design
            bands = {"kind": args.type, "ripple": args.ripple, "attenuation": args.attenuation}
            filter = offline.design(family, order, args.cutoff, source.samplerate, **bands)
        except offline.FilterError as error:
            raise CommandError(str(error)) from error
        if args.zero_phase and source.frames <= filter.padding:
            raise CommandError(f"--zero-phase takes more than {filter.padding} samples here, IN has {source.frames}")
        if source.note:
            complain(f"warning: {source.note}", 0)
        with set_workers(args.workers):
            target = _run(args, source, filter)
    report(args.output, source, target, source.channels)
    return 0


def _run(args: argparse.Namespace, source: audio.Reader, filter: Filter) -> audio.Writer:
    """Send the source through the filter into the file wanted."""
    from sigrnn.cli import filter as offline

    passes = 2 if args.zero_phase else 1
    with writer(args, source, source.channels) as target, progress(source.frames * passes) as advance:
        if args.zero_phase:
            blocks = counted(source.blocks(max(args.block, filter.padding + 1)), advance)
            results = offline.zero_phase(blocks, filter, Path(os.path.realpath(args.output)).parent)
        else:
            results = offline.forward(source.blocks(args.block), filter)
        for block in counted(results, advance):
            target.write(block)
    return target


# ------------------------------------------------------------------------------------------------- the other commands


def _demo(args: argparse.Namespace) -> int:
    from sigrnn.cli import demo

    return demo.run(args.out, quick=args.quick)


def _warmup(args: argparse.Namespace) -> int:
    from sigrnn.warmup import warmup

    tqdm = _common.tqdm()
    print("Compiling what the cache does not hold: up to a few minutes.", flush=True)
    steps = warmup(progress=None if tqdm is None else partial(tqdm, leave=False))
    print(f"{steps} steps done; the compiled code lies in {next(_caches())}")
    return 0


def _info(args: argparse.Namespace) -> int:
    from sigrnn.workers import get_workers

    for name in ("sigrnn", "numpy", "scipy", "numba", "llvmlite"):
        print(f"{name:<12}{_version(name) or 'missing'}")
    print(f"{'Python':<12}{platform.python_version()}, {platform.system()} {platform.machine()}")
    print(f"{'processor':<12}{_processor()}, {os.cpu_count()} threads")
    print(f"{'workers':<12}{get_workers()}")
    for number, line in enumerate(_caches()):
        print(f"{'' if number else 'cache':<12}{line}")
    found = {name: _version(name) for name in OPTIONAL}
    print(f"{'optional':<12}{', '.join(f'{name} {found[name]}' for name in found if found[name]) or 'none'}")
    print(f"{'missing':<12}{', '.join(name for name in found if not found[name]) or 'none'}")
    return 0


def _version(package: str) -> str:
    """Return the version of an installed package without importing it; empty if there is none."""
    if package == "sigrnn":
        return str(import_module("sigrnn").__version__)  # true in a source tree, too
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    """Return the processor's name for people, and the one compiled code is filed under."""
    import llvmlite.binding

    name = platform.processor() or platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return f"{name} ({llvmlite.binding.get_host_cpu_name()})"


def _caches() -> Iterator[str]:
    """Describe the folders for compiled code, in the order they are tried."""
    from sigrnn._kernels.base.jit import folders

    for folder in folders():
        place = folder
        while not place.exists() and place != place.parent:
            place = place.parent  # the folder would be made here
        state = "writable" if os.access(place, os.W_OK) else "not writable"
        yield f"{folder} ({state}, {len(list(folder.glob('*.nbc')))} kernels)"
