"""`sigrnn.benchmarks`: simulated systems, recipes, states before records, and adapters to packages with the official data."""

import json
import math
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

import sigrnn
from sigrnn.benchmarks import adapters, build_model, initial, main, mirror, recipes, systems
from sigrnn.benchmarks.task import Record, Task, rmse


@pytest.mark.parametrize("name", systems.SYSTEMS)
def test_systems_are_repeatable_and_finite(name):
    task, again, other = (systems.SYSTEMS[name](np.random.default_rng(seed), 0.06) for seed in (0, 0, 1))
    assert task.recipe in recipes.RECIPES
    assert set(task.aims) <= set(task.test)
    for a, b, c in zip(*([*each.train, *each.test.values()] for each in (task, again, other)), strict=True):
        assert a.u.shape == a.y.shape
        assert np.isfinite(a.y).all()
        assert np.std(a.y) > 0.0
        np.testing.assert_array_equal(a.y, b.y)
        assert np.isfinite(c.y).all()
    assert not np.array_equal(task.train[0].u, other.train[0].u)


def test_integration_of_an_oscillator():
    """A free oscillation is a cosine; the error is of order 4 in the step."""
    errors = []
    for parts in (2, 4):
        s = systems.integrated(lambda s, u: (s[1], u - s[0]), np.zeros(60), 0.25, parts, (1.0, 0.0))
        errors.append(np.abs(s[:, 0] - np.cos(0.25 * np.arange(60))).max())
    assert errors[1] < 1e-4
    assert 12.0 < errors[0] / errors[1] < 20.0


def test_multisine_has_its_lines_and_its_power(rng):
    x = systems.multisine(256, range(3, 40, 2), 0.5, rng)
    assert math.isclose(np.std(x), 0.5)
    power = np.abs(np.fft.rfft(x))
    assert (power[3:40:2] > 0.99 * power.max()).all()
    assert np.delete(power, np.arange(3, 40, 2)).max() < 1e-9


@pytest.mark.parametrize(
    "model",
    [
        lambda: sigrnn.StateSpace(3, 2),
        lambda: sigrnn.StateSpace(2, 2, units=3),
        lambda: sigrnn.Chain(sigrnn.IIR(2), sigrnn.Polynomial(3), sigrnn.StateSpace(1, 2)),
        lambda: sigrnn.LSTM(2),
    ],
)
def test_state_before_a_record(model, rng):
    model, u = model().init(1, rng=0), rng.standard_normal(300)
    y, _ = model.run(u)
    _, state = model.run(u[:200])
    found = initial.state_before(model, u[200:240], y[200:240])
    np.testing.assert_allclose(model.run(u[200:], found)[0], y[200:], rtol=0, atol=1e-6 * np.std(y))
    numbers = initial.numbers(state)
    np.testing.assert_array_equal(initial.numbers(initial.as_state(state, numbers)), numbers)


def test_models_without_states_begin_as_they_are(rng):
    model, u = sigrnn.Polynomial(3).init(1, rng=0), rng.standard_normal(20)
    assert initial.state_before(model, u, u) is None
    assert initial.state_before(sigrnn.IIR(2).init(1, rng=0), u[:0], u[:0]) is None


def test_a_recipe_with_an_integrator(rng):
    u = rng.standard_normal(1500)
    y = sigrnn.lfilter([1e-3], [1.0, -1.0], sigrnn.lfilter([1.0], [1.0, -0.9], u))
    recipe = recipes.Recipe(
        lambda outputs: sigrnn.Chain(sigrnn.IIR(1), sigrnn.IIR(1)), {"max_iter": 20}, integrated=True
    )
    model = recipes.trained(recipe, [Record(u[:1000], y[:1000])], 0).model
    np.testing.assert_allclose(recipes.predicted(recipe, model, u, y[:20]), y, rtol=0, atol=1e-5 * np.std(y))


def test_a_recipe_with_a_lead():
    recipe = recipes.Recipe(lambda outputs: sigrnn.IIR(1), {"max_iter": 20}, lead=200)
    u = 2.0 + np.sin(0.3 * np.arange(400))
    y = sigrnn.lfilter([0.1], [1.0, -0.9], np.concatenate([np.full(400, u[0]), u]))[400:]
    model = recipes.trained(recipe, [Record(u, y)], 0).model
    np.testing.assert_allclose(recipes.predicted(recipe, model, u, y[:0]), y, rtol=0, atol=1e-6)


def test_silverbox_recipe_reaches_the_noise():
    outcome = recipes.done(systems.silverbox(np.random.default_rng(0), 0.1), 0, max_iter=40)
    assert outcome.errors["multisine"] < 0.4  # mV; noise of 0.2 mV, an output of 50 mV


def test_command(capsys, tmp_path, monkeypatch):
    def linear(rng, size):
        u = rng.standard_normal(int(600 * size))
        y = sigrnn.lfilter([1.0, 0.5], [1.0, -0.8], u)
        return Task("Line", "line", [Record(u, y)], {"all": Record(u, y, 10)}, "V", 1.0, {"all": 1e-6})

    monkeypatch.setitem(systems.SYSTEMS, "line", linear)
    monkeypatch.setitem(recipes.RECIPES, "line", recipes.Recipe(lambda outputs: sigrnn.IIR(1)))
    file = tmp_path / "rows.json"
    assert main.main(["line", "--seeds", "2", "--json", str(file)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("| benchmark | test record | error |")
    assert printed[2].startswith("| Line | all | ")
    (row,) = json.loads(file.read_text())
    assert len(row["errors"]) == 2
    assert max(row["errors"]) < 1e-6
    monkeypatch.setitem(recipes.RECIPES, "line", recipes.Recipe(lambda outputs: sigrnn.FIR(1)))
    assert main.main(["line"]) == 1
    assert "(**missed**)" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main.main(["unknown"])
    with pytest.raises(SystemExit):
        main.main(["line", "--seeds", "0"])


class DataSet:
    """A data set as the package `nonlinear_benchmarks` has it: u, y, name, and the window before an error counts."""

    def __init__(self, u, y, name=None, state_initialization_window_length=None):
        self.u, self.y, self.name, self.sampling_time = u, y, name or "", 1.0
        self.state_initialization_window_length = state_initialization_window_length

    def __iter__(self):
        yield self.u
        yield self.y

    def __len__(self):
        return len(self.y)


def data_sets(rng, window=20):
    u = rng.standard_normal(900)
    y = sigrnn.lfilter([1.0, 0.5], [1.0, -0.8], u)
    return DataSet(u[:600], y[:600], "train"), DataSet(u[600:], y[600:], "test", window)


def test_official_data(rng, monkeypatch):
    train, test = data_sets(rng)
    calls = []

    def loader(train_test_split=True, always_return_tuples_of_datasets=False):
        calls.append(always_return_tuples_of_datasets)
        return (train,), (test, test)

    package = SimpleNamespace(Silverbox=loader, CED=lambda always_return_tuples_of_datasets: ((train, train), (test,)))
    task = adapters.official("silverbox", package)
    assert calls == [True]
    assert (task.recipe, task.unit, list(task.test)) == ("silverbox", "mV", ["test"])
    assert [len(r.u) for r in task.train] == [600]
    assert task.test["test"].settling == task.train[0].settling == 20
    task = adapters.official("coupled-drives", package)
    assert (task.recipe, len(task.train), task.aims) == ("other", 2, {})
    monkeypatch.setitem(recipes.RECIPES, "other", recipes.Recipe(lambda outputs: sigrnn.IIR(1)))
    assert recipes.done(task).errors["test"] < 1e-6
    with pytest.raises(ValueError, match=r"name must be one of wiener-hammerstein, .*got 'silver'"):
        adapters.official("silver", package)


@dataclass
class Context:
    """What `identibench` hands to a function that builds a model."""

    spec: object
    hyperparameters: dict = field(default_factory=dict)
    seed: int | None = 0
    sequences: tuple = ()

    def get_train_valid_sequences(self):
        return iter(self.sequences)

    def get_train_sequences(self):
        return iter(self.sequences[:1])


@pytest.mark.parametrize("whole", [None, ["files"]])
def test_identibench(whole, rng):
    train, test = data_sets(rng)
    sequences = [SimpleNamespace(u=d.u[:, None], y=d.y[:, None], attrs={"fs": 1.0}) for d in (train, train)]
    spec = SimpleNamespace(
        name="BenchmarkShip_Simulation", task=SimpleNamespace(init_window=20), train=["files"], train_valid=whole
    )
    model = build_model(Context(spec, {"max_iter": 20, "start": "auto"}, None, tuple(sequences)))
    y = model(test.u[:, None], test.y[:20, None], {"fs": 1.0})
    assert y.shape == (300, 1)
    assert rmse(y[:, 0], Record(test.u, test.y, 20)) < 1e-2 * np.std(test.y)
    assert adapters.recipe_of("BenchmarkWH_Prediction", None) is recipes.RECIPES["wiener-hammerstein"]
    assert adapters.recipe_of("BenchmarkShip_Simulation", "emps") is recipes.RECIPES["emps"]
    with pytest.raises(ValueError, match=r"recipe must be one of wiener-hammerstein, .*got 'none'"):
        build_model(Context(spec, {"recipe": "none"}))


def test_mirror_data(tmp_path, rng):
    for part, count in (("train", 3), ("test", 2)):
        for name in "uy":
            np.save(tmp_path / f"{name}_100mV_{part}.npy", rng.standard_normal((40, 3, count, 2)))
    task = mirror.mirror(tmp_path)
    assert [r.u.shape for r in task.train] == [(80, 3)] * 3
    assert list(task.test) == ["1", "2"]
    data = np.load(tmp_path / "y_100mV_test.npy")
    np.testing.assert_array_equal(task.test["2"].y[40:], data[:, :, 1, 1])
    assert len(mirror.mirror(tmp_path, thin=2).train) == 2
    with pytest.raises(ValueError, match="data must be"):
        mirror.signals(data[..., 0])
