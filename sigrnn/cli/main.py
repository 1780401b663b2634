"""The command line: `main`, its parser, and the commands filter, demo, warmup and info; `run` and `bench` have parsers of their own.

Slow imports (Numba, SciPy's designs, matplotlib) wait until a command needs them: --help answers at once.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from sigrnn._utils import progress as _progress
from sigrnn.cli import _common, audio, run, train
from sigrnn.cli._common import CommandError, complain, count, counted, report, say
from sigrnn.cli.raw import DTYPES
from sigrnn.patching.patch import VARIABLE, is_patched, unpatch_scipy

if TYPE_CHECKING:
    from sigrnn.cli.filter import Filter

OPTIONAL = ("soundfile", "tqdm", "matplotlib", "PyWavelets", "heartpy", "statsmodels", "reservoirpy")

USUAL_ORDER = 20  # of a filter: above it there is a warning

FILTER_NOTES = """\
examples:
  sigrnn filter in.wav out.wav --butter 4 --cutoff 8000
  sigrnn filter in.wav out.flac --ellip 6 --cutoff 300 3400 --ripple 0.5 --attenuation 50
  sigrnn filter in.wav out.wav --fir 101 --type highpass --cutoff 80 --zero-phase
  sigrnn filter in.raw out.raw --raw int16 --channels 384 --rate 30000 --butter 3 --cutoff 300 6000 --zero-phase

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
        The exit code: 0, or 1 for a command that failed, 2 for a request that makes no sense, 130 for Ctrl-C, 143 for SIGTERM.

    Raises
    ------
    BaseException
        What a program raises that `sigrnn run` runs: Python shows it, and makes the exit code of it.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv[:1] == ["run"]:
        try:
            return run.run(argv[1:])
        except CommandError as error:
            return complain(str(error), 2)
    if argv[:1] in (["bench"], ["demo"]):  # which compare with SciPy: not with ours in its place
        os.environ.pop(VARIABLE, None)
        while is_patched():
            unpatch_scipy()
    try:
        if argv[:1] == ["bench"]:  # it has a parser of its own
            return int(import_module("sigrnn.bench.main").main(argv[1:]) or 0)
        args = _parser().parse_args(argv)
        with _cleaning_up():
            code: int = args.run(args)
        return code
    except SystemExit as request:  # argparse: --help, --version, usage
        return request.code if isinstance(request.code, int) else int(request.code is not None)
    except KeyboardInterrupt:
        return complain("interrupted", 130)
    except (CommandError, audio.AudioError) as error:
        return complain(" ".join(str(error).split()), 2)
    except OSError as error:
        return complain(f"{error.filename}: {audio.reason(error)}" if error.filename else audio.reason(error), 2)


@contextmanager
def _cleaning_up() -> Iterator[None]:
    """Let SIGTERM end the process as an exception does: no temporary file is left."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


# Parser


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
    commands.add_parser("run", help="run a Python program with sigrnn in SciPy's place (see sigrnn run --help)")
    commands.add_parser("bench", help="measure this machine (see sigrnn bench --help)", add_help=False)
    return parser


def _add_filter(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "filter",
        help="filter a sound file of any length",
        epilog=FILTER_NOTES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _common.add_files(parser)
    _add_designs(parser)
    run = parser.add_argument_group("running")
    run.add_argument("--zero-phase", action="store_true", help="forward and backward: no delay, twice the attenuation")
    run.add_argument("--workers", type=count, default=1, metavar="N", help="threads (%(default)s)")
    _common.add_running(run, block=2**16)
    plain = parser.add_argument_group("files without a header, in and out (channels of a sample side by side)")
    plain.add_argument("--raw", choices=DTYPES, metavar="DTYPE", help=f"of their numbers: {', '.join(DTYPES)}")
    plain.add_argument("--channels", type=count, default=1, metavar="N", help="how many (%(default)s)")
    plain.add_argument("--rate", type=float, metavar="HZ", help="sampling rate (required with --raw)")
    parser.set_defaults(run=_filter)


def _add_designs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("filter (one of)")
    one = group.add_mutually_exclusive_group()  # `_filter` checks that there is one: after unknown options
    for family, name, size in (
        ("butter", "Butterworth", "ORDER"),
        ("cheby1", "Chebyshev, ripple in the pass band", "ORDER"),
        ("cheby2", "Chebyshev, ripple in the stop band", "ORDER"),
        ("ellip", "elliptic", "ORDER"),
        ("fir", "windowed FIR (Hamming)", "TAPS"),
    ):
        one.add_argument(f"--{family}", dest="design", type=_design(family), metavar=size, help=name)
    band = parser.add_argument_group("band")
    band.add_argument("--cutoff", type=float, nargs="+", metavar="HZ", help="an edge, or two for a band (required)")
    band.add_argument("--type", choices=("lowpass", "highpass", "bandpass", "bandstop"), help="default: by --cutoff")
    band.add_argument("--ripple", type=float, metavar="DB", help="of cheby1 and ellip (default: 1)")
    band.add_argument("--attenuation", type=float, metavar="DB", help="of cheby2 and ellip (default: 60)")


def _design(family: str) -> Callable[[str], tuple[str, int]]:
    return lambda text: (family, count(text))


# Filter


def _filter(args: argparse.Namespace) -> int:
    from sigrnn.cli import filter as offline
    from sigrnn.workers import set_workers

    if args.design is None:
        raise CommandError("one of the arguments --butter --cheby1 --cheby2 --ellip --fir is required")
    if args.cutoff is None:
        raise CommandError("the following arguments are required: --cutoff")
    if args.raw and not (args.rate and args.rate > 0):
        raise CommandError("--raw takes --rate HZ, above 0")
    if args.raw and args.subtype:
        raise CommandError("--subtype is for sound files: with --raw, OUT has the numbers of IN")
    if not args.raw and (args.rate or args.channels != 1):
        raise CommandError("--rate and --channels are for files without a header: they go with --raw")
    with _common.open_input(args) as source:
        try:
            family, order = args.design
            bands = {"kind": args.type, "ripple": args.ripple, "attenuation": args.attenuation}
            filter = offline.design(family, order, args.cutoff, source.samplerate, **bands)
        except offline.FilterError as error:
            raise CommandError(str(error)) from error
        if args.zero_phase and source.frames <= filter.padding:
            raise CommandError(f"--zero-phase takes more than {filter.padding} samples here, IN has {source.frames}")
        if family != "fir" and order > USUAL_ORDER:
            shown = f"{filter.ringing / source.samplerate:.3g} s"
            complain(f"warning: order {order} is high: the filter rings for {shown} (60 dB); 2 to 10 are usual", 0)
        with set_workers(args.workers):
            target = _run(args, source, filter)
    report(args.output, source, target, source.channels)
    return 0


def _run(args: argparse.Namespace, source: audio.Reader, filter: Filter) -> audio.Writer:
    """Write the filtered source."""
    from sigrnn.cli import filter as offline

    total = source.frames * (2 if args.zero_phase else 1)
    bar = _progress.bar_or_lines(total, " samples", args.output, scale=True)
    with _common.open_output(args, source, source.channels) as target, bar:
        if args.zero_phase:
            blocks = counted(_common.blocks(args, source, filter.padding + 1), bar.update)
            results = offline.zero_phase(blocks, filter, Path(os.path.realpath(args.output)).parent)
        else:
            results = offline.forward(_common.blocks(args, source), filter)
        for block in counted(results, bar.update):
            target.write(block)
    return target


# The other commands


def _demo(args: argparse.Namespace) -> int:
    from sigrnn.cli import demo

    return demo.run(args.out, quick=args.quick)


def _warmup(args: argparse.Namespace) -> int:
    from sigrnn.warmup import warmup

    say("Compiling what the cache does not hold: up to a few minutes.")
    steps = warmup(progress=_shown)
    say(f"{steps} steps done; the compiled code lies in {next(_caches())}")
    return 0


def _shown(steps: Iterable[Any]) -> Iterator[Any]:
    """Show how many of the steps are done."""
    steps = list(steps)
    with _progress.bar_or_lines(len(steps), "step", "warmup") as bar:
        for step in steps:
            yield step
            bar.update()


def _info(args: argparse.Namespace) -> int:
    from sigrnn._lookup import machine_code
    from sigrnn.workers import get_workers

    for name in ("sigrnn", "numpy", "scipy", "numba", "llvmlite"):
        print(f"{name:<12}{_version(name) or 'missing'}")
    print(f"{'Python':<12}{platform.python_version()}, {platform.system()} {platform.machine()}")
    print(f"{'processor':<12}{_processor()}, {os.cpu_count()} threads")
    print(f"{'workers':<12}{get_workers()}")
    code = machine_code()
    print(f"{'machine code':<12} {f'{code.level}, {code.size} entries' if code else 'none in this installation'}")
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
