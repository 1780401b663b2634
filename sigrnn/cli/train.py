"""`sigrnn train` and `sigrnn apply`: train a model on a pair of sound files, and run it over files of any length."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from sigrnn._utils import progress as _progress
from sigrnn.cli import _common, audio
from sigrnn.cli._common import CommandError, complain, count, counted, report, say
from sigrnn.cli.model_spec import SPECS, SpecError, model_from
from sigrnn.models import Model, load
from sigrnn.models.files import notes, write
from sigrnn.training import DivergenceError, FitResult, fit

TRAIN_NOTES = f"""\
models: a chain of parts, separated by commas:
  {SPECS}
nfir, niir, rnn and dense may name an activation: rnn:8:relu. An activation alone is a gain, a bias and that activation. A
dense layer at the end makes one output of several.

examples:
  sigrnn train dry.wav wet.wav --model lstm:16 -o pedal.npz
  sigrnn train in.wav out.wav --model iir:2,tanh,iir:2 --solver lm -o amplifier.npz
  sigrnn train in.wav out.wav --model fir:64 --iterations 20 -o room.npz
  sigrnn apply pedal.npz guitar.wav driven.wav

IN and TARGET have the same rate and channels; one model is trained for all channels, each of which is a sequence. The last
part of both is held out: training ends when the model gets no better there, and the error-to-signal ratio is measured
there. Ctrl-C ends training and keeps the best model so far. The exit code is 1 if the model is worse there than silence,
or than before training.
"""

APPLY_NOTES = """\
A single-input, single-output model is applied to each channel separately. Otherwise the file must have as many channels as
the model has inputs. The file is read block by block, so it may be larger than memory; the result does not depend on
--block. Sample format and rate are those of IN. Integer formats round to nearest; samples that do not fit are clipped,
counted and reported.
"""


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    raw = argparse.RawDescriptionHelpFormatter
    train = commands.add_parser(
        "train", help="train a model on two sound files", epilog=TRAIN_NOTES, formatter_class=raw
    )
    train.add_argument("input", metavar="IN", help="input of the model")
    train.add_argument("target", metavar="TARGET", help="its wanted output")
    train.add_argument("--model", default="lstm:16", metavar="SPEC", help="see below (%(default)s)")
    train.add_argument("-o", "--output", required=True, metavar="MODEL", help="the model: an .npz file")
    train.add_argument("--residual", action="store_true", help="add the input to the output of the model")
    train.add_argument("--unstable", action="store_true", help="let iir and sos become unstable")
    how = train.add_argument_group("training")
    how.add_argument("--solver", choices=("auto", "lm", "lbfgs", "adam", "sgd"), default="auto", help="(%(default)s)")
    how.add_argument("--loss", choices=("mse", "mae", "huber", "esr", "nmse"), default="mse", help="(%(default)s)")
    how.add_argument("--iterations", type=count, metavar="N", help="at most; epochs of adam and sgd")
    how.add_argument("--time", type=_positive, metavar="S", help="end after S seconds, when an iteration is over")
    how.add_argument(
        "--validation", type=_share, default=0.1, metavar="SHARE", help="held out at the end (%(default)s)"
    )
    how.add_argument(
        "--warmup", type=int, default=0, metavar="N", help="first samples to leave out of the loss (%(default)s)"
    )
    how.add_argument("--batch", type=count, metavar="N", help="of adam and sgd: sequences at a time")
    how.add_argument("--tbptt", type=count, metavar="N", help="of adam and sgd: samples a step")
    how.add_argument("--learning-rate", type=_positive, metavar="R", help="of adam and sgd")
    how.add_argument("--seed", type=int, default=0, metavar="N", help="of random numbers (%(default)s)")
    train.set_defaults(run=_train)
    apply = commands.add_parser(
        "apply", help="run a model over a sound file of any length", epilog=APPLY_NOTES, formatter_class=raw
    )
    apply.add_argument("model", metavar="MODEL", help="from sigrnn train, or saved in Python")
    _common.add_files(apply)
    _common.add_running(apply, block=2**14)
    apply.set_defaults(run=_apply)


def _positive(text: str) -> float:
    value = _number(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return value


def _share(text: str) -> float:
    value = _number(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not between 0 and 1")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


# Train


def _train(args: argparse.Namespace) -> int:
    try:
        model = model_from(args.model, residual=args.residual, stable=not args.unstable)
    except SpecError as error:
        raise CommandError(f"--model: {error}") from error
    x, t, rate = _pair(args.input, args.target)
    held = round(args.validation * len(x))
    if args.warmup < 0 or not 0 < held < len(x) - args.warmup:
        raise CommandError(
            f"--warmup {args.warmup} and --validation {args.validation:g} leave nothing of {len(x)} samples"
        )
    if not Path(args.output).absolute().parent.is_dir():  # better known before an hour of training
        raise CommandError(f"cannot write {args.output}: no such folder")
    result, start = _fit(model, x, t, held, args)
    write(result.model, args.output, {"samplerate": rate})
    return _report(args.output, result, start, x, t, held, rate)


def _pair(source: str, target: str) -> tuple[audio.Samples, audio.Samples, int]:
    """Return both files (frames, channels), cut to the shorter one, and their rate."""
    found = []
    for name in (source, target):
        with audio.open_reader(name) as reader:
            _common.warn(reader)
            blocks = list(reader.blocks(2**16))
            samples = np.concatenate(blocks) if blocks else np.zeros((0, reader.channels))
            found.append((samples, reader.samplerate))
    (x, rate), (t, other) = found
    if rate != other:
        raise CommandError(f"{source} has {rate} samples a second, {target} has {other}")
    if x.shape[1] != t.shape[1]:
        raise CommandError(f"{source} has {x.shape[1]} channels, {target} has {t.shape[1]}")
    if len(x) != len(t):
        complain(f"warning: {source} has {len(x)} samples, {target} {len(t)}: the end of the longer is left out", 0)
    length = min(len(x), len(t))
    return x[:length], t[:length], rate


def _fit(
    model: Model, x: audio.Samples, t: audio.Samples, held: int, args: argparse.Namespace
) -> tuple[FitResult, float | None]:
    """Train, with channels as sequences; return the result, and the validation loss before training."""
    last = len(x) - held
    x3, t3 = (np.ascontiguousarray(samples.T)[..., np.newaxis] for samples in (x, t))
    validation: Any = held / len(x) if len(x3) == 1 else (x3[:, last:], t3[:, last:])
    if len(x3) == 1:
        x3, t3 = x3[0], t3[0]
    else:
        x3, t3 = x3[:, :last], t3[:, :last]
    options: dict[str, Any] = {name: getattr(args, name) for name in ("solver", "loss", "batch", "tbptt", "warmup")}
    options.update(learning_rate=args.learning_rate, validation=validation, rng=args.seed)
    try:
        untrained = fit(model.copy(), x3, t3, max_iter=0, progress=False, **options)
        with _Clock(args.time) as clock:
            bar: Any = _progress.bar_or_lines  # `fit` calls it with the number of steps
            result = fit(model, x3, t3, max_iter=args.iterations, progress=bar, callback=clock.is_over, **options)
    except DivergenceError as error:
        raise CommandError(f"{error}; try a smaller --learning-rate, or another --solver") from error
    except ValueError as error:
        raise CommandError(str(error)) from error
    return result, untrained.validation_loss


class _Clock:
    """Time that training has taken, without that of compiling: a context manager."""

    def __init__(self, limit: float | None) -> None:
        event: Any = import_module("numba.core.event")
        self._limit, self._start, self._event = limit, time.monotonic(), event
        self._compiling = event.TimingListener()

    def __enter__(self) -> _Clock:
        self._event.register("numba:compile", self._compiling)
        return self

    def __exit__(self, *_: object) -> None:
        self._event.unregister("numba:compile", self._compiling)

    def is_over(self, _: object) -> bool:
        """Whether the limit is reached."""
        compiling = self._compiling.duration if self._compiling.done else 0.0
        return self._limit is not None and time.monotonic() - self._start - compiling > self._limit


def _report(
    name: str, result: FitResult, start: float | None, x: audio.Samples, t: audio.Samples, held: int, rate: int
) -> int:
    """Print the model and its error on held-out data; return the exit code."""
    y = np.stack([result.model(x[:, c]) for c in range(x.shape[1])], axis=1)[-held:]
    power = float(np.sum(t[-held:] ** 2))
    error = float(np.sum((y - t[-held:]) ** 2))
    say(f"{result.model}")
    timed = result.stop_reason == "callback"
    iterations = f"{result.n_iter} iteration" + "s" * (result.n_iter != 1)
    say(f"{result.solver}, {iterations}; {'the time is over' if timed else result.message}")
    ratio = "TARGET is silent there" if power == 0 else f"error-to-signal ratio {error / power:.3g}"
    if power > 0 and error > 0:
        ratio += f" ({10 * np.log10(error / power):.1f} dB)"
    say(f"{name}: last {held / rate:.2f} s, held out: {ratio}")
    hint = "train longer, or try another --model, --solver or --learning-rate"
    if error > power > 0:
        return complain(f"the model is worse than silence on what was held out: {hint}", 1)
    if start is not None and result.validation_loss is not None and result.validation_loss > start:
        return complain(f"the model is worse than before training on what was held out: {hint}", 1)
    return 0


# Apply


def _apply(args: argparse.Namespace) -> int:
    try:
        model, learnt = load(args.model), notes(args.model)
    except ValueError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        raise CommandError(f"cannot read {args.model}: {'no such file' if missing else audio.reason(error)}") from error
    with _common.open_input(args) as source:
        step, channels = _step(model, source.channels)
        if learnt.get("samplerate", source.samplerate) != source.samplerate:
            complain(f"warning: the model was trained at {learnt['samplerate']} Hz, IN has {source.samplerate} Hz", 0)
        radius = _pole_radius(model)
        if radius > 1.0:
            complain(f"warning: the model is unstable: it has a pole of radius {radius:.6g}", 0)
        _step(model, source.channels)[0](np.zeros((1, source.channels)))  # compiles, before the clock starts
        start = time.perf_counter()
        bar = _progress.bar_or_lines(source.frames, " samples", args.output, scale=True)
        with _common.open_output(args, source, channels) as target, bar:
            for block in counted(map(step, _common.blocks(args, source)), bar.update):
                target.write(block)
        times = source.frames / source.samplerate / (time.perf_counter() - start)
    report(args.output, source, target, channels, f"; {times:.3g} times real time")
    return 0


def _pole_radius(model: Any) -> float:
    """Return the largest radius of a pole of the linear filters in a model."""
    own = np.abs(model.poles()).max(initial=0.0) if hasattr(model, "poles") else 0.0
    return float(max([own, *map(_pole_radius, model.parts)]))


def _step(model: Model, channels: int) -> tuple[Callable[[audio.Samples], audio.Samples], int]:
    """Return a function for blocks (frames, channels), and the number of channels it gives."""
    try:
        if (model.inputs, model.outputs) == (1, 1):
            streams = [model.stream() for _ in range(channels)]
            return lambda block: np.stack([s(block[:, c]) for c, s in enumerate(streams)], axis=1), channels
        if model.inputs == channels:
            stream = model.stream()
            return lambda block: np.asarray(stream(block), float).reshape(len(block), -1), model.outputs or 1
    except ValueError as error:
        raise CommandError(str(error)) from error
    shown = f"{model.inputs} input{'s' * (model.inputs != 1)}"
    raise CommandError(f"the model has {shown}, IN has {channels} channel{'s' * (channels != 1)}")
