"""What the commands share: messages in one line, numbers as arguments, sound files in and out."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sigrnn.cli import audio, raw


class CommandError(Exception):
    """A request that cannot be met, and why, in one line."""


def say(text: str) -> None:
    """Print a line; file names may contain bytes of no encoding."""
    print(text.encode(errors="backslashreplace").decode(), flush=True)


def complain(message: str, code: int) -> int:
    """Print a message on stderr, and return the exit code."""
    print(f"sigrnn: {message}", file=sys.stderr)
    return code


def count(text: str) -> int:
    """Convert an argument to a whole number above 0."""
    with suppress(ValueError):
        if int(text) > 0:
            return int(text)
    raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0")


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add the arguments IN and OUT."""
    parser.add_argument("input", metavar="IN", help="WAV, FLAC, Ogg, AIFF, ... (pip install soundfile)")
    parser.add_argument("output", metavar="OUT", help="its extension chooses the format")


def add_running(parser: argparse._ActionsContainer, block: int) -> None:
    """Add the options of commands that go through a file."""
    parser.add_argument("--block", type=count, default=block, metavar="N", help="samples at a time (%(default)s)")
    parser.add_argument("--subtype", help="sample format if not the input's: PCM_16, PCM_24, FLOAT, ...")
    parser.add_argument(
        "--nan", choices=("refuse", "zero"), default="refuse", help="samples that are NaN or infinite (%(default)s)"
    )


@contextmanager
def open_input(args: argparse.Namespace) -> Iterator[audio.Reader]:
    """Open IN, which must not be OUT."""
    if os.path.exists(args.output) and os.path.exists(args.input) and os.path.samefile(args.input, args.output):
        raise CommandError("IN and OUT are the same file")
    if getattr(args, "raw", None):
        opened: audio.Reader = raw.Reader(Path(args.input), args.raw, args.channels, args.rate)
    else:
        opened = audio.open_reader(args.input)
    with opened as source:
        warn(source)
        yield source


def warn(source: audio.Reader) -> None:
    """Print what is wrong with a file that can be read."""
    if source.note:
        complain(f"warning: {source.note}", 0)


def blocks(args: argparse.Namespace, source: audio.Reader, least: int = 1) -> Iterator[audio.Samples]:
    """Return the blocks of the input, as the options say."""
    return source.blocks(max(args.block, least), zero=args.nan == "zero")


@contextmanager
def open_output(args: argparse.Namespace, source: audio.Reader, channels: int) -> Iterator[audio.Writer]:
    """Open OUT: with rate and length of the source, and its sample format if no other is asked for."""
    if getattr(args, "raw", None):
        with raw.open_writer(args.output, args.raw, source.samplerate) as target:
            yield target
        return
    wanted = args.subtype or source.subtype
    with audio.open_writer(args.output, source.samplerate, channels, wanted, source.frames) as target:
        if args.subtype and target.subtype != args.subtype.upper():
            raise CommandError(f"{args.output} cannot hold {args.subtype}; the nearest it can is {target.subtype}")
        yield target


def counted(blocks: Iterator[audio.Samples], advance: Callable[[int], object]) -> Iterator[audio.Samples]:
    """Yield the blocks, and count each when it has been used."""
    for block in blocks:
        yield block
        advance(len(block))


def report(name: str, source: audio.Reader, target: audio.Writer, channels: int, more: str = "") -> None:
    """Print what was written."""
    shown = "1 channel" if channels == 1 else f"{channels} channels"
    say(f"{name}: {source.frames} samples, {shown}, {source.samplerate} Hz, {target.subtype}{more}")
    total = source.frames * channels
    if source.zeroed:
        complain(f"warning: {source.zeroed} of {total} samples were NaN or infinite and became 0", 0)
    if target.clipped:
        remedy = "" if isinstance(target, raw.Writer) else "; --subtype FLOAT keeps them in a WAV file"
        complain(f"warning: {target.clipped} of {total} samples clipped{remedy}", 0)
