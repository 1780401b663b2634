"""The command line: sigrnn filter, demo, info, warmup, bench.

What is slow to import (Numba, SciPy's designs, matplotlib) waits until a command needs it: --help answers at once.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from sigrnn import audio

if TYPE_CHECKING:
    from sigrnn.offline import Filter

OPTIONAL = ("soundfile", "tqdm", "matplotlib", "PyWavelets", "heartpy", "statsmodels", "reservoirpy")

FILTER_NOTES = """\
examples:
  sigrnn filter in.wav out.wav --butter 4 --cutoff 8000
  sigrnn filter in.wav out.flac --ellip 6 --cutoff 300 3400 --ripple 0.5 --attenuation 50
  sigrnn filter in.wav out.wav --fir 101 --type highpass --cutoff 80 --zero-phase

The output keeps the input's rate, channels, length and sample format. Integer formats round to nearest; samples that do
not fit are clipped, counted and reported. Memory does not grow with the file: the result does not depend on --block.
"""


class CommandError(Exception):
    """A request that cannot be met, and why, in one line."""


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
            return int(import_module("sigrnn.bench.report").main(argv[1:]) or 0)
        args = _parser().parse_args(argv)
        code: int = args.run(args)
        return code
    except SystemExit as request:  # argparse: --help, --version, usage
        return request.code if isinstance(request.code, int) else int(request.code is not None)
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    except (CommandError, audio.AudioError, OSError) as error:
        return _complain(" ".join(str(error).split()), 2)


def _complain(message: str, code: int) -> int:
    print(f"sigrnn: {message}", file=sys.stderr)
    return code


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
    run.add_argument("--block", type=_count, default=2**16, metavar="N", help="samples at a time (%(default)s)")
    run.add_argument("--workers", type=_count, default=1, metavar="N", help="threads (%(default)s)")
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


def _count(text: str) -> int:
    with suppress(ValueError):
        if int(text) > 0:
            return int(text)
    raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0")


def _design(family: str) -> Callable[[str], tuple[str, int]]:
    return lambda text: (family, _count(text))


# -------------------------------------------------------------------------------------------------------------- filter


def _filter(args: argparse.Namespace) -> int:
    from sigrnn import offline
    from sigrnn.workers import set_workers

    if os.path.exists(args.output) and os.path.exists(args.input) and os.path.samefile(args.input, args.output):
        raise CommandError("IN and OUT are the same file")
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
            _complain(f"warning: {source.note}", 0)
        with set_workers(args.workers):
            target = _run(args, source, filter)
    _report(args.output, source, target)
    return 0


def _run(args: argparse.Namespace, source: audio.Reader, filter: Filter) -> audio.Writer:
    """Send the source through the filter into the file wanted."""
    from sigrnn import offline

    wanted = args.subtype or source.subtype
    passes = 2 if args.zero_phase else 1
    with (
        audio.Writer(args.output, source.samplerate, source.channels, wanted, source.frames) as target,
        _progress(source.frames * passes) as advance,
    ):
        if args.subtype and target.subtype != args.subtype.upper():
            raise CommandError(f"{args.output} cannot hold {args.subtype}; the nearest it can is {target.subtype}")
        if args.zero_phase:
            blocks = _counted(source.blocks(max(args.block, filter.padding + 1)), advance)
            results = offline.zero_phase(blocks, filter, Path(os.path.realpath(args.output)).parent)
        else:
            results = offline.forward(source.blocks(args.block), filter)
        for block in _counted(results, advance):
            target.write(block)
    return target


def _counted(blocks: Iterator[audio.Samples], advance: Callable[[int], object]) -> Iterator[audio.Samples]:
    for block in blocks:
        yield block
        advance(len(block))


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], object]]:
    """Give a function to call with the number of samples done."""
    tqdm = _tqdm()
    if tqdm is None:
        yield lambda samples: None
        return
    with tqdm(total=total, unit=" samples", unit_scale=True, leave=False) as bar:
        yield bar.update


def _tqdm() -> Any:
    """Return the progress bar where a person sees it and it is installed, else None."""
    with suppress(ImportError):
        return import_module("tqdm").tqdm if sys.stderr.isatty() else None
    return None


def _report(name: str, source: audio.Reader, target: audio.Writer) -> None:
    channels = "1 channel" if source.channels == 1 else f"{source.channels} channels"
    print(f"{name}: {source.frames} samples, {channels}, {source.samplerate} Hz, {target.subtype}")
    if target.clipped:
        total = source.frames * source.channels
        _complain(f"warning: {target.clipped} of {total} samples clipped; --subtype FLOAT keeps them in a WAV file", 0)


# ------------------------------------------------------------------------------------------------- the other commands


def _demo(args: argparse.Namespace) -> int:
    from sigrnn import demo

    return demo.run(args.out, quick=args.quick)


def _warmup(args: argparse.Namespace) -> int:
    from sigrnn.warmup import warmup

    tqdm = _tqdm()
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
    from sigrnn._kernels.jit import folders

    for folder in folders():
        place = folder
        while not place.exists() and place != place.parent:
            place = place.parent  # the folder would be made here
        state = "writable" if os.access(place, os.W_OK) else "not writable"
        yield f"{folder} ({state}, {len(list(folder.glob('*.nbc')))} kernels)"
