"""Convergence compared with PyTorch's: the same network, start and data, losses on new sequences after the same number of epochs.

    python bench/convergence.py             # four tasks, three seeds: some minutes
    python bench/convergence.py narma       # those with this in their name

`fit` with 'adam' and its defaults, a learning rate that falls from 0.005 as half a cosine, is compared with `torch.optim.Adam` of the
same rates, and with its default, a constant 0.001. Orders of batches are drawn by each library.
"""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

import sigrnn

SEEDS, EPOCHS, BATCH, SEQUENCES = 3, 60, 20, 60
FIRST, LAST = 5e-3, 0.01  # learning rate, and what is left of it at the end
Array = np.ndarray[Any, Any]


class Data(NamedTuple):
    """Sequences (B, N, I), targets (B, N, O), and weights of times (N,)."""

    x: Array
    t: Array
    w: Array


def mackey_glass(rng: np.random.Generator) -> Data:
    """A chaotic series six steps ahead, M. C. Mackey and L. Glass 1977: x' = 0.2 x(-17) / (1 + x(-17)^10) - 0.1 x."""
    parts, steps = 10, 106
    lag, samples = 17 * parts, (100 + steps) * parts
    s = np.full((SEQUENCES, samples + lag), 1.2) + 0.1 * rng.standard_normal((SEQUENCES, 1))
    for n in range(lag, samples + lag - 1):
        late = s[:, n - lag]
        s[:, n + 1] = s[:, n] + (0.2 * late / (1.0 + late**10) - 0.1 * s[:, n]) / parts
    series = s[:, -steps * parts :: parts] - 0.9
    return Data(series[:, :-6, None], series[:, 6:, None], np.ones(steps - 6))


def narma(rng: np.random.Generator) -> Data:
    """The nonlinear moving average of order 10, A. F. Atiya and A. G. Parlos 2000."""
    u, y = rng.uniform(0.0, 0.5, (SEQUENCES, 120)), np.zeros((SEQUENCES, 120))
    for n in range(10, 120):
        past = y[:, n - 10 : n]
        y[:, n] = 0.3 * past[:, -1] + 0.05 * past[:, -1] * past.sum(1) + 1.5 * u[:, n - 10] * u[:, n - 1] + 0.1
    return Data(u[..., None], y[..., None], (np.arange(120) >= 20).astype(float))


def adding(rng: np.random.Generator) -> Data:
    """The sum of two marked numbers, asked for at the end, S. Hochreiter and J. Schmidhuber 1997."""
    steps = 30
    x = np.zeros((SEQUENCES, steps, 2))
    x[..., 0] = rng.random((SEQUENCES, steps))
    for row in x:
        row[rng.choice(steps, 2, replace=False), 1] = 1.0
    t = np.zeros((SEQUENCES, steps, 1))
    t[:, -1, 0] = (x[..., 0] * x[..., 1]).sum(1)
    return Data(x, t, np.eye(1, steps, steps - 1)[0])


def copying(rng: np.random.Generator) -> Data:
    """Four symbols of two kinds, to be repeated after a pause of eight steps and a mark."""
    symbols, pause = 4, 8
    which, steps = rng.integers(0, 2, (SEQUENCES, symbols)), 2 * symbols + pause
    x, t = np.zeros((SEQUENCES, steps, 3)), np.zeros((SEQUENCES, steps, 2))
    for k in range(symbols):
        x[np.arange(SEQUENCES), k, which[:, k]] = 1.0
        t[np.arange(SEQUENCES), steps - symbols + k, which[:, k]] = 1.0
    x[:, steps - symbols - 1, 2] = 1.0
    return Data(x, t, (np.arange(steps) >= steps - symbols).astype(float))


TASKS: dict[str, Callable[[np.random.Generator], Data]] = {
    "Mackey-Glass": mackey_glass,
    "NARMA-10": narma,
    "adding": adding,
    "copying": copying,
}


def network(data: Data, seed: int) -> Any:
    """A layer and its outputs, as both libraries draw it."""
    outputs = sigrnn.Dense(data.t.shape[-1], dtype="float32")
    return sigrnn.Chain(sigrnn.GRU(16, dtype="float32"), outputs).init(data.x.shape[-1], rng=seed)


def ours(data: Data, fresh: Data, seed: int) -> float:
    """The loss of `fit` with its defaults."""
    model = network(data, seed)
    given: dict[str, Any] = {"solver": "adam", "batch": BATCH, "max_iter": EPOCHS, "weights": data.w}
    sigrnn.fit(model, data.x.astype("f4"), data.t.astype("f4"), progress=False, rng=seed, **given)
    return loss_of(model(fresh.x.astype("f4")), fresh)


def theirs(data: Data, fresh: Data, seed: int, falling: bool) -> float:
    """The loss of PyTorch's Adam."""
    torch.manual_seed(seed)
    model = network(data, seed)
    layer, dense = torch.nn.GRU(data.x.shape[-1], 16, batch_first=True), torch.nn.Linear(16, data.t.shape[-1])
    weights = [*layer.parameters(), *dense.parameters()]  # in the order of the model's
    with torch.no_grad():
        for weight, first in zip(weights, model.params.values(), strict=True):
            weight.copy_(torch.from_numpy(np.array(first)))
    x, t, w = (torch.from_numpy(each.astype("f4")) for each in data)
    adam, per_epoch = torch.optim.Adam(weights, lr=FIRST if falling else 1e-3), SEQUENCES // BATCH
    for step in range(EPOCHS * per_epoch):
        if step % per_epoch == 0:
            order = torch.randperm(len(x))
        if falling:
            fall = 0.5 * (1.0 + math.cos(math.pi * step / (EPOCHS * per_epoch)))
            adam.param_groups[0]["lr"] = FIRST * (LAST + (1.0 - LAST) * fall)
        part = order[step % per_epoch * BATCH :][:BATCH]
        errors = (dense(layer(x[part])[0]) - t[part]) ** 2 * w[:, None]
        loss = errors.sum() / (w.sum() * len(part) * t.shape[-1])
        adam.zero_grad()
        loss.backward()
        adam.step()
    with torch.no_grad():
        y = dense(layer(torch.from_numpy(fresh.x.astype("f4")))[0])
    return loss_of(y.numpy(), fresh)


def loss_of(y: Array, data: Data) -> float:
    """Mean squared error where it counts, relative to the target's variance."""
    counted = data.w > 0
    return float(np.mean((y - data.t)[:, counted] ** 2) / np.var(data.t[:, counted]))


def main(pattern: str = "") -> int:
    """Run what matches; returns 1 if a loss of ours is above 1.1 of PyTorch's with the same rates."""
    torch.set_num_threads(1)
    sigrnn.set_workers(1)
    warnings.simplefilter("ignore", UserWarning)
    good = True
    print(
        "| task | sigrnn | PyTorch, the same rates | PyTorch, 0.001 | ratio | s, sigrnn and PyTorch |\n|---|---|---|---|---|---|"
    )
    for name, make in TASKS.items():
        if pattern.lower() not in name.lower():
            continue
        losses, took = np.empty((SEEDS, 3)), np.zeros(2)
        for seed in range(SEEDS):
            data, fresh = (make(np.random.default_rng([seed, part])) for part in (0, 1))
            began = time.perf_counter()
            losses[seed, 0] = ours(data, fresh, seed)
            took[0] += time.perf_counter() - began
            began = time.perf_counter()
            losses[seed, 1] = theirs(data, fresh, seed, True)
            took[1] += time.perf_counter() - began
            losses[seed, 2] = theirs(data, fresh, seed, False)
        mine, same, constant = np.exp(np.log(losses).mean(axis=0))
        good &= mine <= 1.1 * same
        times = " / ".join(f"{t / SEEDS:.1f}" for t in took)
        print(f"| {name} | {mine:.3g} | {same:.3g} | {constant:.3g} | {mine / same:.2f} | {times} |", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
