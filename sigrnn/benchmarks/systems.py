"""Systems simulated from their published equations, with inputs like those of the benchmarks that they stand for.

Differential equations are integrated by Runge and Kutta's method of order 4, the input held between samples. All numbers are
those of the publications, but for amplitudes of noise. They are not the official data sets: for these see `adapters`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from sigrnn._arrays import Array
from sigrnn.filters.linear import lfilter, sosfilt

from .task import Record, Task

State = tuple[float, ...]


def integrated(slope: Callable[[State, float], State], u: Array, step: float, parts: int, start: State) -> Array:
    """The states (N, S) at each sample: before the input of the sample acts."""
    h, s, found = step / parts, start, []
    for value in u.tolist():
        found.append(s)
        for _ in range(parts):
            a = slope(s, value)
            b = slope(tuple(x + 0.5 * h * d for x, d in zip(s, a, strict=True)), value)
            c = slope(tuple(x + 0.5 * h * d for x, d in zip(s, b, strict=True)), value)
            d = slope(tuple(x + h * d for x, d in zip(s, c, strict=True)), value)
            s = tuple(x + h / 6.0 * (p + 2.0 * q + 2.0 * r + t) for x, p, q, r, t in zip(s, a, b, c, d, strict=True))
    return np.array(found)


def multisine(samples: int, lines: range, rms: float, rng: np.random.Generator) -> Array:
    """A period of a sum of sines of one amplitude at these lines of its spectrum, with random phases."""
    spectrum = np.zeros(samples // 2 + 1, complex)
    spectrum[lines] = np.exp(2j * np.pi * rng.random(len(lines)))
    x = np.fft.irfft(spectrum, samples)
    return np.asarray(x * (rms / np.std(x)))


def wiener_hammerstein(rng: np.random.Generator, size: float = 1.0) -> Task:
    """
    A Chebyshev filter, a diode that saturates one side, an inverse Chebyshev filter, at 51.2 kHz.

    J. Schoukens, J. Suykens, L. Ljung, "Wiener-Hammerstein benchmark", IFAC Symposium on System Identification 2009.
    """
    from scipy.signal import butter, cheby1, cheby2

    rate, samples = 51_200.0, int(40_000 * size)
    first = cheby1(3, 0.5, 4400.0, fs=rate, output="sos")
    second = cheby2(3, 40.0, 5000.0, fs=rate, output="sos")
    u = sosfilt(butter(6, 10_000.0, fs=rate, output="sos"), rng.standard_normal(samples))
    v = sosfilt(first, u)
    y = sosfilt(second, v - 0.05 * np.logaddexp(0.0, (v - 0.3) / 0.05) * 0.7) + 2e-4 * rng.standard_normal(samples)
    cut = samples * 5 // 8
    records = Record(u[:cut], y[:cut], 50), Record(u[cut:], y[cut:], 50)
    return Task(
        "Wiener-Hammerstein", "wiener-hammerstein", [records[0]], {"test": records[1]}, "mV", 1e3, {"test": 0.4}
    )


def silverbox(rng: np.random.Generator, size: float = 1.0) -> Task:
    """
    An oscillator whose spring hardens, at 610 Hz: m y'' + d y' + (a + b y^2) y = u.

    T. Wigren, J. Schoukens, "Three free data sets for development and benchmarking in nonlinear system identification",
    European Control Conference 2013.
    """
    rate, m, d, a, b = 610.35, 1.09e-5, 2.13e-4, 1.0, 3.9
    period, periods = 4096, max(int(10 * size), 2)
    u = np.concatenate([multisine(period, range(1, period // 3, 2), 0.0225, rng) for _ in range(periods)])
    length = int(20_000 * size)
    arrow = lfilter([0.3], [1.0, -0.7], rng.standard_normal(length))
    arrow *= np.linspace(0.0, 0.12, length) / np.abs(arrow).max()
    found = []
    for each in (u, arrow):
        y = integrated(
            lambda s, f: (s[1], (f - d * s[1] - (a + b * s[0] ** 2) * s[0]) / m), each, 1 / rate, 6, (0.0, 0.0)
        )
        found.append(y[:, 0] + 2e-4 * rng.standard_normal(len(each)))
    cut = len(u) * 3 // 4
    test = {"multisine": Record(u[cut:], found[0][cut:], 50), "arrow": Record(arrow, found[1], 50)}
    aims = {"multisine": 0.5, "arrow": 0.5}
    return Task("Silverbox", "silverbox", [Record(u[:cut], found[0][:cut], 50)], test, "mV", 1e3, aims)


def cascaded_tanks(rng: np.random.Generator, size: float = 1.0) -> Task:
    """
    Two tanks, one over the other, the upper of which overflows, at a sample every 4 s.

    M. Schoukens, P. Mattsson, T. Wigren, J.-P. Noel, "Cascaded tanks benchmark combining soft and hard nonlinearities", 2016.
    """
    k1, k2, k3, k4 = 0.05, 0.05, 0.05, 0.04

    def slope(s: State, u: float) -> State:
        over = max(s[0] - 10.0, 0.0)
        first, second = math.sqrt(max(s[0], 0.0)), math.sqrt(max(s[1], 0.0))
        out = k1 * first + 0.5 * over
        return k4 * max(u, 0.0) - out, k2 * first + 0.15 * over - k3 * second - 0.5 * max(s[1] - 10.0, 0.0)

    samples, records = 1024, []
    for _ in range(2):
        u = 3.0 + multisine(samples, range(1, 60), 1.2, rng)
        y = integrated(slope, u, 4.0, 4, (5.0, 5.0))[:, 1]
        records.append(Record(u, y + 0.02 * rng.standard_normal(samples), 50))
    return Task("Cascaded tanks", "cascaded-tanks", [records[0]], {"test": records[1]}, "V", 1.0, {"test": 0.35})


def emps(rng: np.random.Generator, size: float = 1.0) -> Task:
    """
    A slide with dry and viscous friction that follows a path under control, at 1 kHz; u is the force, y the position.

    A. Janot, M. Gautier, M. Brunot, "Data set and reference models of EMPS", Workshop on Nonlinear System Identification
    Benchmarks 2019.
    """
    mass, viscous, dry, offset, position, speed, force = 95.1089, 203.5034, 20.3935, -3.1648, 160.18, 243.45, 35.15
    samples, step, parts, records = int(12_000 * size), 1e-3, 4, []
    for wanted in (path(rng, samples), path(rng, samples)):
        q = v = 0.0
        u, y = np.empty(samples), np.empty(samples)
        for n in range(samples):
            u[n] = force * min(max(speed * (position * (wanted[n] - q) - v) / 25.0, -10.0), 10.0)
            y[n] = q
            for _ in range(parts):
                a = (u[n] - viscous * v - dry * math.tanh(v / 1e-3) - offset) / mass
                v += step / parts * a
                q += step / parts * v
        records.append(Record(u, y + 1e-6 * rng.standard_normal(samples), 20))
    return Task("EMPS", "emps", [records[0]], {"test": records[1]}, "mm", 1e3, {"test": 5.0})


def path(rng: np.random.Generator, samples: int) -> Array:
    """Steps of position with limited acceleration, m."""
    wanted = np.repeat(rng.uniform(0.0, 0.25, samples // 1500 + 1), 1500)[:samples]
    smooth = np.ones(250) / 250
    return np.convolve(np.convolve(wanted, smooth)[:samples], smooth)[:samples]


def hysteresis(u: Array, rate: float = 750.0) -> Array:
    """
    The displacement of an oscillator with hysteresis under a force: m y'' + c y' + k y + z = u.

    The force z of the spring remembers: z' = a y' - b (g |y'| z + d y' |z|). See `bouc_wen` for the reference.
    """
    m, c, k, a, b, g, d = 2.0, 10.0, 5e4, 5e4, 1e3, 0.8, -1.1

    def slope(s: State, u: float) -> State:
        y, v, z = s
        return v, (u - c * v - k * y - z) / m, a * v - b * (g * abs(v) * z + d * v * abs(z))

    return integrated(slope, u, 1 / rate, 12, (0.0, 0.0, 0.0))[:, 0]


def bouc_wen(rng: np.random.Generator, size: float = 1.0) -> Task:
    """
    An oscillator with hysteresis, at 750 Hz.

    J.-P. Noel, M. Schoukens, "Hysteretic benchmark with a dynamic nonlinearity", Workshop on Nonlinear System Identification
    Benchmarks 2016.
    """
    rate, samples = 750.0, int(8192 * size)
    lines = range(int(5 * samples / rate), int(150 * samples / rate))
    time = np.arange(int(4000 * size)) / rate
    seconds = max(time[-1], 1.0)
    sweep = 40.0 * np.sin(2 * np.pi * (20.0 * time + 0.5 * 30.0 / seconds * time**2))
    inputs = [multisine(samples, lines, 50.0, rng) for _ in range(3)] + [sweep]
    outputs = [hysteresis(u, rate) for u in inputs]
    noise = 8e-6
    train = [
        Record(u, y + noise * rng.standard_normal(len(y)), 50) for u, y in zip(inputs[:2], outputs[:2], strict=True)
    ]
    test = {"multisine": Record(inputs[2], outputs[2], 50), "sweep": Record(sweep, outputs[3], 50)}
    return Task("Bouc-Wen", "bouc-wen", train, test, "1e-5 m", 1e5, dict.fromkeys(test, 2.0))


def aircraft(rng: np.random.Generator, size: float = 1.0) -> Task:
    """
    A wing and a payload, two oscillators between which there is a clearance, at 400 Hz: like the F-16's, in its simplest form.

    J.-P. Noel, M. Schoukens, "F-16 aircraft benchmark based on ground vibration test data", Workshop on Nonlinear System
    Identification Benchmarks 2017. u is the force on the wing, y its acceleration.
    """
    m1, m2, c1, c2, k1, k2, wall, gap = 1.0, 0.4, 2.0, 1.0, 1600.0, 900.0, 600.0, 1e-3
    rate, samples = 400.0, int(8192 * size)

    def forces(s: State, u: float) -> tuple[float, float]:
        x = s[2] - s[0]
        between = k2 * x + c2 * (s[3] - s[1]) + wall * (x - min(max(x, -gap), gap))
        return (u - k1 * s[0] - c1 * s[1] + between) / m1, -between / m2

    def slope(s: State, u: float) -> State:
        first, second = forces(s, u)
        return s[1], first, s[3], second

    records = []
    for rms in (0.5, 0.5, 0.5):
        u = multisine(samples, range(int(1 * samples / rate), int(30 * samples / rate)), rms, rng)
        states = integrated(slope, u, 1 / rate, 6, (0.0, 0.0, 0.0, 0.0))
        y = np.array([forces(tuple(s), f)[0] for s, f in zip(states.tolist(), u.tolist(), strict=True)])
        records.append(Record(u, y + 0.005 * rng.standard_normal(samples), 200))
    return Task("F-16", "f-16", records[:2], {"test": records[2]}, "m/s2", 1.0)


SYSTEMS: dict[str, Callable[..., Task]] = {
    "wiener-hammerstein": wiener_hammerstein,
    "silverbox": silverbox,
    "cascaded-tanks": cascaded_tanks,
    "emps": emps,
    "bouc-wen": bouc_wen,
    "f-16": aircraft,
}
