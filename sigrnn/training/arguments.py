"""The arguments of `fit`: checks, names that other libraries have for them, data as the solvers take them, the solver by default."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from numbers import Real
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import number_of, whole
from sigrnn._utils.errors import DivergenceError
from sigrnn.models import Model
from sigrnn.models.multi_input import CONVENTIONS, warn_if_wide, wide

from .data import Data, sequences
from .losses import Loss, Named
from .problem import has_sensitivities

SOLVERS = ("auto", "lm", "lbfgs", "adam", "sgd")
FEW_PARAMETERS, FEW_SLOPES, FEW_SAMPLES = 200, 10**7, 200_000  # up to which 'auto' takes 'lm', and 'lbfgs'
BATCH, SEGMENT = 16, 1024  # of 'auto' when it takes 'adam'

Signals = ArrayLike | list[Any]
Args = ParamSpec("Args")
Value = TypeVar("Value")
# Names that other libraries have for arguments of `fit`.
ELSEWHERE = {
    "max_iter": ("epochs", "n_epochs", "num_epochs", "iterations", "n_iter", "maxiter", "steps"),
    "learning_rate": ("lr", "eta", "step_size", "mu"),
    "batch": ("batch_size",),
    "solver": ("optimizer", "optimiser", "method", "algorithm"),
    "loss": ("criterion", "loss_fn", "objective"),
    "weights": ("sample_weight", "weight"),
    "regularization": ("weight_decay", "l2", "alpha"),
    "validation": ("validation_data", "validation_split", "val"),
    "clip": ("clip_norm", "clipnorm", "max_norm"),
    "rng": ("seed", "random_state"),
    "progress": ("verbose", "verbosity"),
    "callback": ("callbacks",),
    "t": ("y", "target", "targets"),
}


def with_hints(function: Callable[Args, Value]) -> Callable[Args, Value]:
    """The function, with messages that name its argument where another library's name was given."""

    @wraps(function)
    def hinting(*args: Args.args, **kwargs: Args.kwargs) -> Value:
        for ours, names in ELSEWHERE.items():
            for name in kwargs.keys() & names:
                raise TypeError(f"{function.__name__}() has no argument {name!r}: use {ours}")
        return function(*args, **kwargs)

    return hinting


def check_starts(start: Any, n_starts: Any) -> None:
    """Raise for a wrong way to begin."""
    if start not in (None, "auto", "given"):
        raise ValueError(f"start must be 'auto' or 'given', got {start!r}")
    if n_starts is not None and whole("n_starts", n_starts, 1) > 1 and start == "given":
        raise ValueError(f"n_starts must be 1 with start='given', got {n_starts}")


class Steps(NamedTuple):
    """Options of the solvers that take small steps."""

    batch: int | None
    tbptt: int | None
    clip: float | None
    learning_rate: float | Callable[[float], float] | None

    def given(self) -> list[str]:
        """Names of the options that were given."""
        return [name for name, value in self._asdict().items() if value is not None]


def check_kinds(model: Any, callback: Any) -> None:
    """Raise if `model` is not a model or `callback` not a function."""
    if not isinstance(model, Model):
        got = f"the class {model.__name__}: call it" if isinstance(model, type) else type(model).__name__
        raise TypeError(f"model must be a model instance such as sigrnn.IIR(2), got {got}")
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be a function of one argument, got {callback!r}")


def check_numbers(solver: Any, max_iter: Any, warmup: Any, regularization: Any, steps: Steps) -> None:
    """Raise for what does not depend on the data."""
    if solver not in SOLVERS:
        raise ValueError(f"solver must be one of {', '.join(SOLVERS)}, got {solver!r}")
    least = {"max_iter": (max_iter, 0), "warmup": (warmup, 0), "batch": (steps.batch, 1), "tbptt": (steps.tbptt, 1)}
    for name, (value, low) in least.items():
        if value is not None:
            whole(name, value, low)
    positive = {"clip": steps.clip, "learning_rate": None if callable(steps.learning_rate) else steps.learning_rate}
    for name, number in positive.items():
        if number is not None and not 0.0 < number_of(name, number) < np.inf:
            raise ValueError(f"{name} must be positive and finite, got {number}")
    if not 0.0 <= number_of("regularization", regularization) < np.inf:
        raise ValueError(f"regularization must be finite and not negative, got {regularization}")
    if solver in ("lm", "lbfgs") and steps.given():
        raise ValueError(f"{', '.join(steps.given())}: not for solver {solver!r}, which sees all data at once")


def check_pieces(pieces: int, samples: int) -> None:
    """Raise if a single sequence would be cut into pieces of a single sample."""
    if samples < 2 * pieces:
        raise ValueError(
            f"batch must be at most {max(samples // 2, 1)}, got {pieces}: a single sequence, here of {samples} samples, is "
            "cut into that many pieces"
        )


def check_targets(data: Data, name: str) -> None:
    """Raise for a target that is not finite where it counts."""
    for t, w, row, start in zip(data.t, data.w, data.rows, data.starts, strict=True):
        bad = (~np.isfinite(t) & (w > 0)).any(axis=1)
        if bad.any():
            at = int(bad.argmax())
            where = f"{name} is not finite from sample {start + at} of sequence {row} on"
            value = t[at][~np.isfinite(t[at])][0]
            error = DivergenceError(f"{where}: it is {value} there; give such samples weights of 0, or leave them out")
            error.sequence, error.sample = row, start + at
            raise error


def prepared(
    model: Any, x: Any, t: Any, weights: Any, warmup: int, validation: Any, rng: np.random.Generator
) -> tuple[Data, Data | None]:
    """Training and validation data, in the model's precision; the model has its sizes, which were checked."""
    data, judged = sequences(x, t, weights), None
    if isinstance(validation, tuple | list):
        if len(validation) not in (2, 3):
            raise ValueError(f"validation must be a pair (x, t) or a share of the data, got {len(validation)} things")
        names = ("validation x", "validation t", "validation weights")
        judged = sequences(validation[0], validation[1], validation[2] if len(validation) == 3 else None, names)
        if (judged.inputs, judged.outputs) != (data.inputs, data.outputs):
            raise ValueError(
                f"validation has {judged.inputs} inputs and {judged.outputs} outputs, x and t have {data.inputs} and "
                f"{data.outputs}"
            )
    elif validation is not None:
        if isinstance(validation, bool) or not isinstance(validation, Real) or not 0.0 < float(validation) < 1.0:
            raise ValueError(f"validation must be (x, t) or a share of the data between 0 and 1, got {validation!r}")
        data, judged = data.without(warmup).split(float(validation))
    data, judged = data.without(warmup), judged and judged.without(warmup)
    for name, each in (("x", data), ("validation", judged)):
        if each is not None and not each.counted:
            raise ValueError(f"{name}: no sample counts, with a warmup of {warmup} samples and the weights given")
    hint = f"; {CONVENTIONS}" if wide(data.x[0].shape) or wide(data.t[0].shape) else ""
    if model.inputs is None:
        if model._single_input():
            warn_if_wide(data.x[0].shape, type(model).__name__)
        model.init(data.inputs, rng)
    if model.inputs != data.inputs:
        raise ValueError(f"x has {data.inputs} channels, the model takes {model.inputs}{hint}")
    check_targets(data, "t")
    if judged is not None:
        check_targets(judged, "validation t")
    dtype = np.result_type(*model.params.values())
    data, judged = data.astype(dtype), judged and judged.astype(dtype)
    made = model(data.x[0][None, :1]).shape[-1]
    if made != data.outputs:
        raise ValueError(f"t has {data.outputs} channels, the model has {made} outputs{hint}")
    return data, judged


def chosen(solver: str, model: Any, data: Data, loss: Loss, steps: Steps) -> tuple[str, Steps]:
    """The solver, and the batches and segments that go with 'auto'."""
    if solver == "lm" and not isinstance(loss, Named):
        raise ValueError("solver 'lm' takes losses by name; for a pair of functions take 'lbfgs' or 'adam'")
    if solver == "lm" and not has_sensitivities(model, data.batch([0])):
        model.sensitivities(data.x[0][None, :1])  # raises, and names the part that has none
    if solver != "auto":
        return solver, steps
    if steps.given():
        return "adam", steps
    size, samples = model.to_vector().size, sum(map(len, data.x))
    few = size <= FEW_PARAMETERS and size * data.counted <= FEW_SLOPES
    if few and isinstance(loss, Named) and has_sensitivities(model, data.batch([0])):
        return "lm", steps
    if samples <= FEW_SAMPLES:
        return "lbfgs", steps
    return "adam", steps._replace(batch=BATCH, tbptt=SEGMENT)
