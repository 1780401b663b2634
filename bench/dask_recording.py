"""Filter a recording larger than memory, made chunk by chunk, and print time and the peak of memory.

Usage: python bench/dask_recording.py [--gigabytes 20] [--channels 128] [--function sosfilt] [--scheduler threads]
With ``--workers N`` on a cluster of N processes of this machine; ``--function none`` only makes the recording.
With ``--alone N`` without dask: N processes, each with its share of the channels, chunk after chunk of as many bytes. That is
what the machine can do with nothing to be passed around, and a chunk filtered once.
With ``--page`` the figures become a row of the table in docs/howto/dask.md.
"""

import argparse
import json
import multiprocessing
import os
import resource
import time
from pathlib import Path

import dask
import dask.array as da
import numpy as np
from scipy.signal import butter

import sigrnn.dask

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE, NUMBERS = DOCS / "howto" / "dask.md", DOCS / "_static" / "dask_recording.json"
BEGIN, END = "<!-- table: begin, by bench/dask_recording.py --page -->\n", "<!-- table: end -->\n"

SAMPLES = 62_500  # of a chunk: 64 MB for 128 channels
SOS = butter(4, [300, 6000], "bandpass", fs=30_000, output="sos")


def noise(block, block_info=None):
    """A chunk of the recording: the same whenever it is asked for."""
    place = block_info[None]["array-location"][1][0]
    return np.random.default_rng(place).standard_normal(block.shape, dtype=np.float32).astype(block.dtype)


def recording(channels, samples):
    """White noise, (channels, samples), in chunks of time."""
    empty = da.zeros((channels, samples), chunks=(channels, SAMPLES))
    return empty.map_blocks(noise, dtype=float, meta=np.empty((0, 0)))


def filtered(function, x):
    """The recording filtered with one of the functions of `sigrnn.dask`."""
    return x if function == "none" else getattr(sigrnn.dask, function)(SOS, x)


def power(y):
    """What is wanted of it: the power of each channel."""
    return (y**2).mean(axis=1)


def share(function, channels, samples, chunks, ready):
    """The power of some channels, chunk after chunk in a loop; seconds and the peak of memory."""
    zi = np.zeros((len(SOS), channels, 2))
    sigrnn.sosfilt(SOS, np.zeros((channels, 100)))
    ready.wait()
    began, sums = time.perf_counter(), np.zeros(channels)
    for k in range(chunks):
        y = np.random.default_rng(k).standard_normal((channels, samples), dtype=np.float32).astype(float)
        if function != "none":
            y, zi = sigrnn.sosfilt(SOS, y, zi=zi)
        sums += (y**2).mean(axis=1)
    return time.perf_counter() - began, peak()


def alone(function, channels, chunks, processes):
    """Seconds and peak of memory of processes that do not communicate."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(processes) as pool:
        ready = manager.Barrier(processes)
        given = (function, channels // processes, SAMPLES * processes, -(-chunks // processes), ready)
        return [max(found) for found in zip(*pool.starmap(share, [given] * processes, chunksize=1), strict=True)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=20.0)
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--function", default="sosfilt", choices=["sosfilt", "sosfiltfilt", "none"])
    parser.add_argument("--scheduler", default="threads", choices=["threads", "synchronous", "processes"])
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--alone", type=int, default=0)
    parser.add_argument("--page", action="store_true", help="put the figures into the page")
    options = parser.parse_args()
    x = recording(options.channels, int(options.gigabytes * 1e9 / 8 / options.channels))
    result = power(filtered(options.function, x))
    where = f"scheduler: {options.scheduler}"
    if options.alone:
        where = f"no dask, processes: {options.alone}"
        took, used = alone(options.function, options.channels, x.npartitions, options.alone)
    elif options.workers:
        where = f"LocalCluster, workers: {options.workers}"
        from distributed import Client, LocalCluster

        with (
            LocalCluster(n_workers=options.workers, threads_per_worker=1, dashboard_address=":0") as cluster,
            Client(cluster) as c,
        ):
            c.run(lambda: sigrnn.sosfilt(SOS, np.zeros((128, 100))))  # compiled, before the clock starts
            began = time.perf_counter()
            result.compute()
            took = time.perf_counter() - began
            used = max(c.run(peak).values())
    else:
        sigrnn.sosfilt(SOS, np.zeros((128, 100)))
        began = time.perf_counter()
        with dask.config.set(scheduler=options.scheduler):
            result.compute()
        took, used = time.perf_counter() - began, peak()
    row = {
        "function": options.function,
        "where": where,
        "gigabytes": round(x.nbytes / 1e9, 1),
        "chunks": x.npartitions,
        "seconds": round(took, 1),
        "peak": round(used / 1e9, 2),
    }
    print(
        "{function}, {where}: {gigabytes} GB, {chunks} chunks in {seconds} s, at most {peak} GB in a process".format(
            **row
        )
    )
    if options.page:
        note(row)


def note(row):
    """Put a row among the others, in the place of one of the same function, scheduler and size."""
    rows = json.loads(NUMBERS.read_text("utf-8")) if NUMBERS.exists() else []
    same = ("function", "where", "gigabytes")
    rows = [other for other in rows if any(other[key] != row[key] for key in same)]
    rows = sorted([*rows, row], key=lambda r: (-r["gigabytes"], r["where"], r["function"] != "none", r["function"]))
    NUMBERS.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    before, rest = PAGE.read_text("utf-8").split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(before + BEGIN + table(rows) + END + after, "utf-8")


def table(rows):
    """The rows in Markdown; `none` is the making of the recording alone."""
    lines = [f"| function | on {os.cpu_count()} cores | recording | chunks | time | per second | memory of a process |"]
    lines.append("|---|---|---|---|---|---|---|")
    for row in rows:
        name = "made, not filtered" if row["function"] == "none" else f"`{row['function']}`"
        lines.append(
            f"| {name} | {row['where']} | {row['gigabytes']:g} GB | {row['chunks']} | {row['seconds']:g} s "
            f"| {row['gigabytes'] / row['seconds']:.2f} GB | {row['peak']:.2f} GB |"
        )
    return "\n".join(["", *lines, "", ""])


def peak():
    """Largest memory of this process so far, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
