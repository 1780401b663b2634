"""What the commands share: complaints in one line, numbers as arguments, progress, and what became of a sound file."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

from sigrnn.cli import audio


class CommandError(Exception):
    """A request that cannot be met, and why, in one line."""


def complain(message: str, code: int) -> int:
    """Say what is wrong, and return the exit code."""
    print(f"sigrnn: {message}", file=sys.stderr)
    return code


def count(text: str) -> int:
    """A whole number above 0."""
    with suppress(ValueError):
        if int(text) > 0:
            return int(text)
    raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0")


def tqdm() -> Any:
    """Return the progress bar where a person sees it and it is installed, else None."""
    with suppress(ImportError):
        return import_module("tqdm").tqdm if sys.stderr.isatty() else None
    return None


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], object]]:
    """Give a function to call with the number of samples done."""
    bars = tqdm()
    if bars is None:
        yield lambda samples: None
        return
    with bars(total=total, unit=" samples", unit_scale=True, leave=False) as bar:
        yield bar.update


def counted(blocks: Iterator[audio.Samples], advance: Callable[[int], object]) -> Iterator[audio.Samples]:
    """The blocks, counted when they have been used."""
    for block in blocks:
        yield block
        advance(len(block))


def refuse_overwriting(source: str, target: str) -> None:
    """A file that is read cannot be written at the same time."""
    if os.path.exists(target) and os.path.exists(source) and os.path.samefile(source, target):
        raise CommandError("IN and OUT are the same file")


@contextmanager
def writer(args: argparse.Namespace, source: audio.Reader, channels: int) -> Iterator[audio.Writer]:
    """The file to be: rate and length of the source, its sample format if no other is asked for."""
    wanted = args.subtype or source.subtype
    with audio.Writer(args.output, source.samplerate, channels, wanted, source.frames) as target:
        if args.subtype and target.subtype != args.subtype.upper():
            raise CommandError(f"{args.output} cannot hold {args.subtype}; the nearest it can is {target.subtype}")
        yield target


def report(name: str, source: audio.Reader, target: audio.Writer, channels: int, more: str = "") -> None:
    """Say what was written."""
    shown = "1 channel" if channels == 1 else f"{channels} channels"
    print(f"{name}: {source.frames} samples, {shown}, {source.samplerate} Hz, {target.subtype}{more}")
    if target.clipped:
        total = source.frames * channels
        complain(f"warning: {target.clipped} of {total} samples clipped; --subtype FLOAT keeps them in a WAV file", 0)
