"""What a solver is given: losses, gradients, residuals and Jacobians over sequences, weights, warm-up and segments."""

import numpy as np
import pytest
from helpers import python_calls

import sigrnn
from sigrnn._utils.progress import Silent
from sigrnn.models import base, parameters
from sigrnn.training import descent
from sigrnn.training.data import sequences
from sigrnn.training.losses import LOSSES, known
from sigrnn.training.problem import Problem
from sigrnn.training.watch import Watch


def recurrent():
    return sigrnn.Chain(sigrnn.GRU(3), sigrnn.Dense(1)).init(1, rng=3)


def filtering():
    return sigrnn.Chain(sigrnn.IIR(2, stable=True), sigrnn.NonlinearFIR(2)).init(1, rng=1)


def signals(rng, *lengths):
    return [rng.standard_normal(n) for n in lengths], [rng.standard_normal(n) for n in lengths]


def problem(model, x, t, loss="mse", weights=None, warmup=0, regularization=0.0):
    data = sequences(x, t, weights).without(warmup)
    return Problem(model, data, known(loss, data, weights is not None), regularization)


def slope_by_differences(function, theta, step=1e-6):
    columns = [(function(theta + step * e) - function(theta - step * e)) / (2 * step) for e in np.eye(len(theta))]
    return np.stack(columns, axis=-1)


OWN = (lambda y, t: np.mean(np.cosh(y - t) - 1), lambda y, t: np.sinh(y - t) / y.size)


def naive(model, x, t, loss, weights, warmup):
    """The loss as the documentation has it, sequence by sequence."""
    e = [model(a) - b for a, b in zip(x, t, strict=True)]
    w = [np.ones(len(b)) if weights is None else np.array(k) for b, k in zip(t, weights or t, strict=True)]
    e, b, w = (np.concatenate([part[warmup:] for part in parts]) for parts in (e, t, w))
    if loss == "mae":
        return np.average(abs(e), weights=w)
    if loss == "huber":
        return np.average(np.where(abs(e) < 1, e * e / 2, abs(e) - 0.5), weights=w)
    if loss is OWN:
        return np.average(np.cosh(e) - 1)
    mean = np.average(b, weights=w) if loss == "nmse" else 0.0
    return np.average(e**2, weights=w) / (1.0 if loss == "mse" else np.average((b - mean) ** 2, weights=w))


@pytest.mark.parametrize("make", [recurrent, filtering])
@pytest.mark.parametrize("loss", [*LOSSES, OWN], ids=[*LOSSES, "own"])
def test_loss_and_gradient(make, loss, rng):
    model = make()
    x, t = signals(rng, 40, 23, 38)
    weights = None if loss is OWN else [rng.uniform(0.5, 2.0, len(b)) for b in t]
    p = problem(model, x, t, loss, weights, warmup=5, regularization=0.01)
    theta = model.to_vector() + 0.01
    value, slope = p.gradient(theta)
    assert value == pytest.approx(naive(model, x, t, loss, weights, 5), rel=1e-12)
    assert p.value(theta) == pytest.approx(value, rel=1e-12)
    expected = slope_by_differences(lambda v: p.value(v) + p.penalty(v), theta)
    assert np.allclose(slope, expected, rtol=1e-5, atol=1e-7 * abs(expected).max())


def test_residuals_and_jacobian(rng):
    model = filtering()
    x, t = signals(rng, 30, 12)
    weights = [rng.uniform(0.0, 2.0, len(b)) for b in t]
    p = problem(model, x, t, "esr", weights, warmup=3)
    theta = model.to_vector()
    assert np.sum(p.weights * p.residuals(theta) ** 2) == pytest.approx(p.value(theta), rel=1e-12)
    jacobian = p.jacobian(theta)
    assert jacobian.shape == (30 + 12 - 6, len(theta))
    assert np.allclose(jacobian, slope_by_differences(p.residuals, theta), atol=1e-7)
    assert np.allclose(2 * jacobian.T @ (p.weights * p.residuals(theta)), p.gradient(theta)[1])


def test_targets_of_weight_zero_may_be_nan(rng):
    model = recurrent()
    x, t = signals(rng, 30)
    holes = np.where(np.arange(30) % 3 == 0, np.nan, t[0])
    p = problem(model, x, [holes], weights=[np.isfinite(holes).astype(float)])
    value, slope = p.gradient(model.to_vector())
    expected = np.nanmean((model(x[0]) - holes) ** 2)
    assert value == pytest.approx(expected)
    assert np.isfinite(slope).all()


def test_model_that_looks_ahead_is_not_filled_up(rng):
    model = sigrnn.Chain(sigrnn.Bidirectional(sigrnn.RNN(2)), sigrnn.Dense(1)).init(1, rng=0)
    x, t = signals(rng, 20, 19, 20)
    p = problem(model, x, t)
    assert p.value(model.to_vector()) == pytest.approx(naive(model, x, t, "mse", None, 0), rel=1e-12)


@pytest.mark.parametrize("solver", ["lm", "lbfgs", "adam"])
def test_an_iteration_checks_nothing_again(solver, rng, monkeypatch):
    """Checks and conversions of the user's arrays belong to the start of a run."""
    counts = {"sequences": 0, "check_like": 0}

    def counting(name, function):
        def counted(*args, **kwargs):
            counts[name] += 1
            return function(*args, **kwargs)

        return counted

    for name in counts:
        monkeypatch.setattr(base, name, counting(name, getattr(base, name)))
    monkeypatch.setattr(parameters, "check_like", counting("check_like", parameters.check_like))
    x = rng.standard_normal(100)
    seen = []
    for iterations in (2, 12):
        counts.update(sequences=0, check_like=0)
        result = sigrnn.fit(
            filtering(), x, np.sin(3 * x), solver=solver, max_iter=iterations, start="given", progress=False
        )
        assert result.n_iter == iterations
        seen.append(dict(counts))
    assert seen[0] == seen[1]


def walk(model, x, t, plan, warmup=0, epochs=1):
    data = sequences(x, t).without(warmup)
    if plan.batch is not None and len(data.x) == 1:
        data = data.cut(plan.batch, warmup)
    p = Problem(model, data, known("mse", data))
    watch = Watch(model.to_vector(), p, None, 99, None, Silent())
    plan.epochs = epochs
    descent.descend("sgd", p, watch, plan, np.random.default_rng(0))
    return watch.history


def plan(batch=None, tbptt=None, warmup=0, rate=1e-300, clip=None):
    return descent.Plan(1, batch, tbptt, clip, warmup, rate)


@pytest.mark.parametrize("tbptt", [None, 7, 50, 1000])
def test_state_is_carried_from_segment_to_segment(tbptt, rng):
    model = recurrent()
    x, t = signals(rng, 50, 50, 31)
    history = walk(model, x, t, plan(tbptt=tbptt, warmup=4), warmup=4)  # steps of length zero: only the sums count
    assert history[0] == pytest.approx(naive(model, x, t, "mse", None, 4), rel=1e-12)


def test_segment_that_covers_all_gives_the_full_gradient(rng):
    x, t = signals(rng, 50, 50, 31)
    moved = []
    for tbptt in (None, 50):
        model = recurrent()
        start = model.to_vector()
        sigrnn.fit(model, x, t, solver="sgd", tbptt=tbptt, learning_rate=1e-3, max_iter=1, progress=False)
        moved.append(model.to_vector() - start)
    expected = -1e-3 * problem(model, x, t).gradient(start)[1]
    assert np.allclose(moved[0], expected, rtol=1e-9)
    assert np.allclose(moved[1], expected, rtol=1e-9)


@pytest.mark.parametrize(("samples", "pieces", "warmup"), [(100, 4, 10), (101, 4, 0), (97, 8, 3), (10, 9, 2)])
def test_pieces_count_each_sample_once(samples, pieces, warmup):
    n = np.arange(samples, dtype=float)
    cut = sequences(n, n).without(warmup).cut(pieces, warmup)
    counted = np.concatenate([t[w > 0] for t, w in zip(cut.t, cut.w, strict=True)])
    assert np.array_equal(np.sort(counted), n[warmup:])
    assert all(x[0, 0] == start for x, start in zip(cut.x, cut.starts, strict=True))
    assert len(cut.x) <= pieces


def test_batches_take_each_sequence_once_an_epoch(rng):
    lengths = 12, 30, 7, 22, 15
    data = sequences(*signals(rng, *lengths))
    seen = []
    for batch in plan(batch=2).batches(data, np.random.default_rng(0), pad=True):
        assert len(batch.rows) <= 2
        for row, k in enumerate(batch.rows):
            assert np.array_equal(batch.x[row, : lengths[k]], data.x[k])
            assert not batch.w[row, lengths[k] :].any()
            assert batch.w[row, : lengths[k]].all()
            seen.append(k)
    assert sorted(seen) == [0, 1, 2, 3, 4]
    assert seen != [0, 1, 2, 3, 4]


def test_shapes_that_are_the_same_data(rng):
    x, t = rng.standard_normal((2, 3, 20, 1))
    for given in (
        (x, t),
        (x, t[..., 0]),
        (list(x), list(t)),
        (x.tolist(), t.tolist()),
        (list(x[..., 0]), list(t[..., 0])),
    ):
        data = sequences(*given, weights=np.arange(20))
        assert np.array_equal(np.stack(data.x), x)
        assert np.array_equal(np.stack(data.t), t)
        assert np.array_equal(data.w[1][:, 0], np.arange(20))
    ragged = sequences([[1, 2, 3], [4, 5]], [[1, 2, 3], [4, 5]])
    assert [len(a) for a in ragged.x] == [3, 2]
    assert len(sequences([1.0, 2.0], [1.0, 2.0]).x) == 1


# What an iteration costs


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (lambda: sigrnn.IIR(2), 40),
        (lambda: sigrnn.Chain(sigrnn.GRU(8), sigrnn.Dense(1)), 150),
        (lambda: sigrnn.Chain(sigrnn.LSTM(8), sigrnn.Dense(1)), 150),
    ],
)
def test_an_iteration_enters_few_functions(make, most, rng):
    """They are what an iteration over a short signal costs, not its loops."""
    x, t = rng.standard_normal((2, 200))

    def calls(iterations):
        model = make().init(1, rng=0)
        return python_calls(
            lambda: sigrnn.fit(model, x, t, solver="adam", max_iter=iterations, start="given", progress=False)
        )

    assert calls(30) - calls(20) <= 10 * most
