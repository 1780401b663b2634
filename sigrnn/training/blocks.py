"""Starts of block-oriented models, linear filters and static curves: from the best linear approximation of the data.

For a filter, a curve and a filter, the best linear approximation has the poles and zeros of both filters [1]_. They are shared
out among the two in all ways there are, or many; for each the curve follows by linear least squares, and its error ranks them.
The best get a short run of the solver.

.. [1] J. Sjoberg, J. Schoukens, "Initializing Wiener-Hammerstein models based on partitioning of the best linear
   approximation", Automatica 48 (2), 353-359, 2012, doi:10.1016/j.automatica.2011.07.007.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.filters.linear import lfilter
from sigrnn.models import FIR, IIR, SOS, Chain, Dense, Feedback, Model, NonlinearFIR, Parallel, Residual
from sigrnn.models.composition import leaves_of
from sigrnn.models.static import PiecewiseLinear, Static

from .data import Data, sequences
from .losses import Named
from .problem import Problem
from .short import descended, shortened
from .start import Filter, better_start, delayed, inside, put

Pair = tuple[Filter, Filter]
LINEAR, STATIC = (FIR, IIR, SOS), (Static, Dense, NonlinearFIR)
ORDERS, SPLITS = 5, 300  # of the approximation; ways to share out, in all
FACTORS, MASKS = 12, 1024  # up to FACTORS factors every split is tried, and MASKS are kept
SAMPLES, LONG = 6000, 30_000  # by which they are ranked; of the approximation
KNOTS = 11  # of the curve that is found by least squares
ALIKE = 1e-4  # 1 - correlation of two signals before the curve below which two ways are one
FAR = 1e6  # radius of a zero beyond which it is a delay
LINE = 40  # iterations for a linear filter, or a curve alone


def is_block_oriented(model: Model) -> bool:
    """Whether a model is made of linear filters and static curves."""
    leaves = leaves_of(model)
    return len(leaves) > 1 and all(isinstance(leaf, (*LINEAR, *STATIC)) for leaf in leaves) and any(map(linear, leaves))


def linear(model: Model) -> bool:
    return isinstance(model, LINEAR)


def static(model: Model) -> bool:
    return all(isinstance(leaf, STATIC) for leaf in leaves_of(model))


def stages(model: Model) -> list[Model]:
    """The parts of a chain, and of chains in it."""
    return [s for part in model.parts for s in stages(part)] if type(model) is Chain else [model]


class Split(NamedTuple):
    """A way to share out poles and zeros, and the curve between."""

    error: float
    before: Filter  # b (taps,), a
    after: Filter
    v: Array  # signal before the curve, of all sequences
    curve: Array  # what the curve makes of it


def starts(problem: Problem, count: int, rng: np.random.Generator) -> list[tuple[str, Model]]:
    """Names and models of up to `count` starts, the most promising first."""
    data = shortened(problem.data, SAMPLES)
    found: list[tuple[str, Model]] = []
    whole = without_means(shortened(problem.data, LONG))
    if data.outputs == 1:
        model = problem.model.copy()
        for _ in itertools.islice(for_model(model, data, whole, rng), count):
            found.append((f"best linear approximation, {len(found) + 1}", model.copy()))
    return found


def for_model(model: Model, data: Data, whole: Data, rng: np.random.Generator) -> Iterator[None]:
    """Sets parameters of the model, again and again."""
    if type(model) is Residual:
        yield from for_model(model.parts[0], without_input(data), without_input(whole), rng)
    elif type(model) is Chain and (cut := around_curve(stages(model))) is not None:
        for split in splits(*cut, data, whole, rng):
            if apply(split, *cut, rng):
                yield
    elif data.inputs > 1:
        return
    elif isinstance(model, Feedback):
        yield from around_loop(model, data, whole, rng)
    else:
        yield from scattered(model, whole, rng)


def around_loop(model: Feedback, data: Data, whole: Data, rng: np.random.Generator) -> Iterator[None]:
    """The way forward as if there was none back; that is drawn, and weak."""
    forward, reach = model.parts[0], max(float(np.abs(t).max(initial=0.0)) for t in data.t) or 1.0
    known = list(approximations(whole, *orders_of([forward]))) if linear(forward) else []
    while True:
        for start in known or for_model(forward, data, whole, rng):
            params = {name: value.copy() for name, value in forward.params.items()}
            model.init(1, rng)
            forward.params = params
            if start is not None:
                put(forward, (np.atleast_2d(start[0]), start[1]))
            for leaf in leaves_of(model.parts[1]):
                if isinstance(leaf, PiecewiseLinear):
                    leaf.params["knots"] = np.linspace(-reach, reach, leaf.n_knots)
            yield


def tail_of(data: Data) -> tuple[bool, list[int], list[int]]:
    return data.flat, data.rows, data.starts


def around_curve(parts: list[Model]) -> tuple[list[Model], list[Model], list[Model]] | None:
    """Filters before, one curve, filters after; None if the parts are no such chain. Of several inputs, one filter before."""
    kinds = [linear(part) for part in parts]
    if not all(linear(part) or static(part) for part in parts) or all(kinds) or not any(kinds):
        return None
    first = kinds.index(False)
    last = len(kinds) - kinds[::-1].index(False)
    if any(kinds[first:last]) or any(part.inputs != 1 for part in parts[1:] if linear(part)):
        return None
    if parts[0].inputs != 1 and (first != 1 or isinstance(parts[0], SOS)):
        return None
    return parts[:first], parts[first:last], parts[last:]


def orders_of(parts: list[Model]) -> tuple[int, int]:
    """How many zeros and poles filters can have."""
    zeros = poles = 0
    for part in parts:
        if isinstance(part, FIR):
            zeros += part.n_taps - 1
        else:
            order = part.order if isinstance(part, IIR) else 2 * part.n_sections if isinstance(part, SOS) else 0
            zeros, poles = zeros + order, poles + order
    return zeros, poles


def approximations(data: Data, zeros: int, poles: int) -> Iterator[Filter]:
    """Best linear approximations of several orders, the highest first."""
    if not poles:
        yield trained(FIR(zeros + 1), data)
        return
    for order in sorted({round(p) for p in np.linspace(max(poles / 3.0, 1.0), poles, ORDERS)}, reverse=True):
        yield trained(IIR(order), data)


def trained(model: Any, data: Data) -> Filter:
    """A linear filter fitted to the data without their means, stable."""
    model.init(data.inputs, rng=0)
    problem = Problem(model, data, Named("mse", 1.0))
    found = min(better_start(problem, model.to_vector(), "lm"), key=lambda start: start[1])
    if not isinstance(model, FIR):
        model.from_vector(descended(problem, found[2], "lm", LINE)[0])
    else:
        model.from_vector(found[2])
    return model.params["b"].copy(), inside(model.params["a"]) if isinstance(model, IIR) else np.ones(1)


def without_input(data: Data) -> Data:
    """What a model has to add to its input."""
    return Data(data.x, [t - x for t, x in zip(data.t, data.x, strict=True)], data.w, *tail_of(data))


def without_means(data: Data) -> Data:
    """A curve may add a constant, and a filter would need a pole at 1 for it."""
    total = sum(float(w.sum()) for w in data.w)
    mean = sum(float(np.sum(np.where(w > 0, w * t, 0.0))) for t, w in zip(data.t, data.w, strict=True)) / total
    level = np.mean(np.concatenate(data.x), axis=0)
    return Data([x - level for x in data.x], [t - mean for t in data.t], data.w, *tail_of(data))


def factors(c: Array) -> list[Array]:
    """A polynomial in the delay as real factors of degree 1 and 2, each of largest coefficient 1; without its gain."""
    if not np.any(c):
        return []
    delay = int(np.argmax(np.abs(c) > np.abs(c).max() / FAR))
    roots = np.roots(c[delay:])
    found = [np.array([0.0, 1.0])] * delay
    found += [np.array([1.0, -z.real]) for z in roots if z.imag == 0.0]
    found += [np.array([1.0, -2.0 * z.real, abs(z) ** 2]) for z in roots if z.imag > 0.0]
    return [f / np.abs(f).max() for f in found]


def ways(pieces: list[Array], first: int, second: int, rng: np.random.Generator) -> list[tuple[Array, Array]]:
    """All ways to make two polynomials of factors, of these degrees at most; of very many, some."""
    degrees, found = np.array([len(piece) - 1 for piece in pieces], int), []
    if len(pieces) <= FACTORS:
        masks = np.array(list(itertools.product((True, False), repeat=len(pieces))), bool)
    else:
        masks = rng.random((4**6, len(pieces))) < first / max(first + second, 1)
    for mask in masks[(masks @ degrees <= first) & (~masks @ degrees <= second)][:MASKS]:
        pair = [[piece for piece, m in zip(pieces, mask, strict=True) if m == here] for here in (True, False)]
        found.append((product(pair[0]), product(pair[1])))
    return found


def product(pieces: list[Array]) -> Array:
    c = np.ones(1)
    for piece in pieces:
        c = np.convolve(c, piece)
    return c


def splits(
    before: list[Model], curve: list[Model], after: list[Model], data: Data, whole: Data, rng: np.random.Generator
) -> list[Split]:
    """Ways to share out poles and zeros of the approximations, the best first, each different from those before it."""
    share = shared if data.inputs == 1 else shared_of_several
    found: list[Split] = []
    for first, second in share(orders_of(before), orders_of(after), whole, rng):
        split = judged(first, second, data, bool(after))
        if split is not None:
            found.append(split)
    kept: list[Split] = []
    for split in sorted(found, key=lambda split: split.error):
        unit = split.v / np.linalg.norm(split.v)
        if all(abs(unit @ other.v) < (1.0 - ALIKE) * np.linalg.norm(other.v) for other in kept):
            kept.append(split)
        if len(kept) == 32:
            break
    return kept


def shared(first: tuple[int, int], second: tuple[int, int], whole: Data, rng: np.random.Generator) -> Iterator[Pair]:
    """The approximations as two filters, with numbers of zeros and poles up to these."""
    (z1, p1), (z2, p2) = first, second
    approximated = list(approximations(whole, z1 + z2, p1 + p2))
    for b, a in approximated:
        numerators = ways(factors(b), z1, z2, rng)
        denominators = [(c / c[0], d / d[0]) for c, d in ways(factors(a), p1, p2, rng)]
        pairs = list(itertools.product(range(len(numerators)), range(len(denominators))))
        if len(pairs) > SPLITS // len(approximated):
            pairs = [pairs[k] for k in rng.permutation(len(pairs))[: SPLITS // len(approximated)]]
        for n, d in pairs:
            (b1, b2), (a1, a2) = numerators[n], denominators[d]
            yield (b1, a1), (b2, a2)


def shared_of_several(
    first: tuple[int, int], second: tuple[int, int], whole: Data, rng: np.random.Generator
) -> Iterator[Pair]:
    """The same for several inputs, whose zeros are all in the first filter: least squares find them for each share of poles."""
    (zeros, p1), (_, p2) = first, second
    approximated = list(approximations(whole, max(zeros, p1 + p2), p1 + p2))
    short = shortened(whole, SAMPLES)
    for _, a in approximated:
        denominators = ways(factors(a), p1, p2, rng)
        if len(denominators) > SPLITS // len(approximated):
            kept = rng.permutation(len(denominators))[: SPLITS // len(approximated)]
            denominators = [denominators[k] for k in kept]
        for a1, a2 in denominators:
            rows, wanted = fixed_poles(short, np.convolve(a1 / a1[0], a2 / a2[0]), zeros + 1)
            if np.isfinite(rows).all():
                b = np.linalg.lstsq(rows, wanted, rcond=None)[0].reshape(whole.inputs, zeros + 1)
                yield (b, a1 / a1[0]), (np.ones(1), a2 / a2[0])


def fixed_poles(data: Data, a: Array, taps: int) -> tuple[Array, Array]:
    """Inputs through 1/a, delayed, and the target: what is left of the equations of a filter if its poles are known."""
    rows, wanted = [], []
    for x, t, w in zip(data.x, data.t, data.w, strict=True):
        u = lfilter([1.0], a, x.astype(F8), axis=0)
        late = np.stack([delayed(u[:, i], m) for i in range(data.inputs) for m in range(taps)], axis=1)
        weight = np.sqrt(w[:, 0].astype(F8))
        rows.append(late[weight > 0] * weight[weight > 0, None])
        wanted.append((t[:, 0] * weight)[weight > 0])
    return np.concatenate(rows), np.concatenate(wanted).astype(F8)


def through(filter: Filter, x: Array) -> Array:
    """A signal (N, I) through a filter with a numerator for each input (I, taps), or (taps,) of one."""
    b, a = filter
    return np.asarray(sum(lfilter(row, a, x[:, i].astype(F8)) for i, row in enumerate(np.atleast_2d(b))))


def judged(before: Filter, after: Filter, data: Data, filtered: bool) -> Split | None:
    """The curve between two filters by linear least squares, of straight lines between knots."""
    signals = [through(before, x) for x in data.x]
    v = np.concatenate(signals)
    with np.errstate(all="ignore"):
        size = np.std(v)
        v = v / size
        gain = np.max(np.abs(lfilter(*after, np.eye(1, 64)[0])))
    if not np.isfinite(v).all() or not 0.0 < gain < np.inf:
        return None
    before, after = (before[0] / size, before[1]), (after[0] / gain, after[1])
    basis = hats(v, np.linspace(v.min(), v.max(), KNOTS))
    ends = np.cumsum([len(s) for s in signals])[:-1]
    rows = np.concatenate([lfilter(*after, part, axis=0) for part in np.split(basis, ends)]) if filtered else basis
    t = np.concatenate([t[:, 0] for t in data.t]).astype(F8)
    weights = np.sqrt(np.concatenate([w[:, 0] for w in data.w]).astype(F8))
    counted = weights > 0
    seen, wanted = rows[counted] * weights[counted, None], t[counted] * weights[counted]
    if not np.isfinite(seen).all():
        return None
    square = seen.T @ seen
    square += 1e-9 * np.trace(square) * np.eye(KNOTS)
    values = np.linalg.solve(square, seen.T @ wanted)
    error = float(np.sum((seen @ values - wanted) ** 2))
    return Split(error, before, after, v, basis @ values) if np.isfinite(error) else None


def hats(v: Array, knots: Array) -> Array:
    """Piecewise linear functions, 1 at one knot and 0 at the others (N, knots)."""
    along = np.clip((v - knots[0]) / (knots[1] - knots[0]), 0.0, len(knots) - 1.000001)
    line = along.astype(int)
    found, rows = np.zeros((len(v), len(knots))), np.arange(len(v))
    found[rows, line], found[rows, line + 1] = 1.0 - (along - line), along - line
    return found


def apply(split: Split, before: list[Model], curve: list[Model], after: list[Model], rng: np.random.Generator) -> bool:
    """Set the parameters of all parts; whether they can be such filters."""
    try:
        distribute(before, split.before)
        gain = shape_curve(curve, split.v, split.curve, bool(after), rng)
        distribute(after, (gain * split.after[0], split.after[1]))
    except ValueError:  # a stable filter has no such poles
        return False
    return True


def distribute(parts: list[Model], filter: Filter) -> None:
    """A filter as one or several, in their order; that of several inputs as one."""
    if filter[0].ndim > 1:
        put(parts[0], filter)
        return
    zeros, poles = factors(filter[0]), factors(filter[1])
    whole = product(zeros)
    largest = int(np.argmax(np.abs(whole)))
    gain = filter[0][largest] / whole[largest]
    for part in parts:
        (z, p), last = orders_of([part]), part is parts[-1]
        b, a = (filled(zeros, z), filled(poles, p)) if not last else (product(zeros), product(poles))
        if not last:
            zeros, poles = left(zeros, z), left(poles, p)
        scale = gain if part is parts[0] else 1.0
        if len(b) - 1 > z or len(a) - 1 > p:
            raise ValueError("more poles or zeros than the filters have")
        put(part, ((scale * b)[None], a / a[0]))


def filled(pieces: list[Array], most: int) -> Array:
    """The product of the first factors that fit into a degree."""
    return product(taken(pieces, most)[0])


def left(pieces: list[Array], most: int) -> list[Array]:
    return taken(pieces, most)[1]


def taken(pieces: list[Array], most: int) -> tuple[list[Array], list[Array]]:
    """Factors that fit into a degree, and the others."""
    into: list[Array] = []
    out: list[Array] = []
    for piece in pieces:
        fits = sum(len(p) - 1 for p in into) + len(piece) - 1 <= most
        (into if fits else out).append(piece)
    return into, out


def shape_curve(curve: list[Model], v: Array, target: Array, scaled: bool, rng: np.random.Generator) -> float:
    """Fit the static parts to a curve; returns the gain that is left for the filter after it."""
    order = np.argsort(v)[:: max(len(v) // 400, 1)]
    x, t = v[order], target[order]
    gain = FIR(1).init(1, rng=0)
    gain.params = {"b": [1.0]}
    model = Chain(*curve, *[gain] * scaled)
    problem = Problem(model, sequences(x, t), Named("mse", 1.0))
    best, lowest = None, np.inf
    for _ in range(3):
        for part in curve:
            part.init(part.inputs or 1, rng)
            if isinstance(part, PiecewiseLinear) and part.inputs == 1:
                part.params = {"knots": (knots := np.linspace(v.min(), v.max(), part.n_knots)), "values": knots}
        if scaled:
            gain.params = {"b": [np.std(t) or 1.0]}
        _, error = descended(problem, model.to_vector(), "lm", LINE)
        if error < lowest:
            best, lowest = {name: value.copy() for name, value in model.params.items()}, error
        if lowest < 1e-6 * np.mean(t**2):
            break
    if best is None:
        raise ValueError("no curve of this kind is near")
    model.params = best
    return float(gain.params["b"][0]) if scaled else 1.0


def scattered(model: Model, data: Data, rng: np.random.Generator) -> Iterator[None]:
    """Random shares of the poles and zeros for each filter, curves as they are drawn: for all other compositions."""
    leaves = leaves_of(model)
    filters = [leaf for leaf in leaves if linear(leaf) and leaf.inputs == 1]
    if not filters:
        return
    zeros, poles = orders_of(filters)
    approximated = [(factors(b), factors(a)) for b, a in approximations(data, min(zeros, 32), min(poles, 16))]
    branches = max((len(part.parts) for part in all_parts(model) if type(part) is Parallel), default=1)
    while True:
        model.init(1, rng)
        over, under = approximated[rng.integers(len(approximated))]
        over, under = shuffled(over, rng), shuffled(under, rng)
        try:
            for leaf in filters:
                (z, p) = orders_of([leaf])
                if branches > 1:  # each branch may have all of them
                    b, a = filled(shuffled(over, rng), z), filled(shuffled(under, rng), p)
                else:
                    (into, over), (poled, under) = taken(over, z), taken(under, p)
                    b, a = product(into), product(poled)
                size = np.sqrt(np.sum(lfilter(b, a / a[0], np.eye(1, 256)[0]) ** 2) * branches)
                put(leaf, ((b / max(size, 1e-9))[None], a / a[0]))
        except ValueError:
            continue
        yield


def shuffled(pieces: list[Array], rng: np.random.Generator) -> list[Array]:
    return [pieces[k] for k in rng.permutation(len(pieces))]


def all_parts(model: Model) -> list[Model]:
    return [model, *(each for part in model.parts for each in all_parts(part))]
