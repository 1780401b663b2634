"""`fit`: checks its arguments, chooses a solver, and leaves the model with the best parameters found."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array, random
from sigrnn._utils import progress as _progress
from sigrnn.models import Model
from sigrnn.models.composition import unstable_parts
from sigrnn.workers import get_workers

from . import descent, lbfgs, least_squares, starts
from .arguments import (
    Signals,
    Steps,
    check_kinds,
    check_numbers,
    check_pieces,
    check_starts,
    chosen,
    prepared,
    with_hints,
)
from .data import Data
from .losses import Loss, Named, known
from .problem import Problem
from .result import FitResult
from .units import Units, units_of
from .watch import Iteration, Stopped, Watch

ITERATIONS = {"lm": 100, "lbfgs": 1000}
STEPS, EPOCHS, MOST_EPOCHS = 2000, 20, 2000  # of descent, by default: steps in all, and bounds of the epochs
PATIENCE = {"lm": 10, "lbfgs": 50}

INTERRUPTED = "interrupted", "interrupted from the keyboard; the best parameters so far are kept"


@with_hints
def fit(
    model: Any,
    x: Signals,
    t: Signals,
    *,
    solver: str = "auto",
    loss: str | tuple[Callable[..., Any], Callable[..., Any]] = "mse",
    max_iter: int | None = None,
    batch: int | None = None,
    tbptt: int | None = None,
    clip: float | None = None,
    warmup: int = 0,
    validation: float | tuple[Any, ...] | None = None,
    weights: Signals | None = None,
    regularization: float = 0.0,
    rng: Any = None,
    progress: bool = True,
    callback: Callable[[Iteration], Any] | None = None,
    learning_rate: float | Callable[[float], float] | None = None,
    start: str | None = None,
    n_starts: int | None = None,
) -> FitResult:
    r"""
    Train a model, so that its output for x comes close to t.

    .. math:: E = \frac{\sum_n w[n]\, \rho(y[n] - t[n])}{\sum_n w[n]} + \lambda\, \lVert\theta\rVert^2

    with the loss :math:`\rho`, weights w and the model's vector of parameters :math:`\theta`.

    Parameters
    ----------
    model : Model
        Trained in place, also when it is interrupted: afterwards it has the best parameters found. One without sizes
        is initialised.
    x, t : array_like or list of array_like
        Inputs and targets: one sequence, (N,) or (N, channels), several of one length, (B, N, channels), or a list of
        sequences of any length.
    solver : {'auto', 'lm', 'lbfgs', 'adam', 'sgd'}, default 'auto'
        'lm' is Levenberg-Marquardt on exact sensitivities [1]_, for few parameters the fastest by far; 'lbfgs' takes the
        gradient over all data; 'adam' [2]_ and 'sgd' take small steps, each from a part of the data. 'auto': 'adam'
        if `batch`, `tbptt`, `clip` or `learning_rate` is given; 'lm' up to 200 parameters and 1e7 numbers of
        sensitivities; 'lbfgs' up to 200 000 samples; else 'adam' with a `batch` of 16 and a `tbptt` of 1024.
    loss : {'mse', 'mae', 'huber', 'esr', 'nmse'} or tuple of callable, default 'mse'
        Mean of squared or absolute errors, or Huber's, which is quadratic up to 1; the squared error relative to the power
        of t, or to its variance. Or ``(loss(y, t) -> float, gradient(y, t) -> array)``, called for each sequence
        without its warm-up, in the shape of t, and averaged in proportion to their lengths; not for 'lm'.
    max_iter : int, optional
        Iterations ('lm': 100, 'lbfgs': 1000), or epochs: passes through the data. By default as many as make about 2000
        steps, from 20 to 2000.
    batch : int, optional
        Number of sequences in each step of 'adam' and 'sgd', in a new random order in each epoch; all by default. A
        single sequence is cut into `batch` pieces.
    tbptt : int, optional
        Truncated back-propagation through time: a step after every `tbptt` samples. The state is carried on, the
        gradient is not. Whole sequences by default.
    clip : float, optional
        Longer gradients are shortened to this norm. `history` counts how often.
    warmup : int, default 0
        Samples at the beginning of each sequence, or piece, that are run through but do not count.
    validation : float or tuple, optional
        (x, t) that are only looked at, or a share of the data: the last sequences, or the last part of a single one,
        where the model knows what went before. The parameters kept are those best there, and training
        ends when they have not improved for 10 ('lm') or 50 ('lbfgs') iterations, or a fifth of the epochs, 10 at least.
    weights : array_like or list of array_like, optional
        Not negative, for each time, (N,), or number of t; those of weight 0 may be NaN. For losses by name.
    regularization : float, default 0.0
        The factor :math:`\lambda`.
    rng : int, Generator or None, optional
        What draws initial parameters and the order of sequences. None is 0, so that a run can be repeated.
    progress : bool, default True
        Show a bar with the loss and the time left, if tqdm is installed and it takes longer than a second.
    callback : callable, optional
        Called after each iteration with a named tuple of `iteration`, `loss`, `validation_loss` and `model`. Training
        ends if it returns True or raises StopIteration.
    learning_rate : float or callable, optional
        Of 'adam' and 'sgd': a constant, or a function of the completed epochs. By default it falls from 0.005
        or 0.01 to a hundredth of it, as half a cosine.
    start : {'auto', 'given'}, optional
        'given': the parameters that the model has, drawn if it has none. 'auto': these, and starts that are found from the
        data; the best after a short run goes on. By default 'auto', but block-oriented models whose parameters were
        given, and models that take steps with 'adam' and 'sgd', begin as they are.
    n_starts : int, optional
        How many starts to try. By default 8 for block-oriented models, one for nets. More of a net are drawn anew.

    Returns
    -------
    FitResult
        ``model``, ``history``, ``loss``, ``n_iter``, ``stop_reason`` and more; ``plot()`` draws them.

    Raises
    ------
    ValueError
        If an argument is wrong, or the solver has no such option.
    DivergenceError
        If outputs, loss or gradient are not finite: a ValueError that names the sample and the parameter where it
        began. The model has the best parameters before that.
    TypeError
        If 'lm' is asked for and the model has no sensitivities, or `model` is not one.

    Warns
    -----
    UserWarning
        If a linear filter of the trained model is unstable: `FitResult.stable` is False.

    See Also
    --------
    vjp : The gradients by themselves.
    scipy.optimize.least_squares, scipy.optimize.minimize : What 'lm' and 'lbfgs' rest on.

    Notes
    -----
    Where a model is a linear filter, 'lm' and 'lbfgs' begin with Steiglitz and McBride's iteration [3]_: linear least
    squares for numerator and denominator, with signals filtered by the denominator before. Filters of lower order are
    trained, too, and filled up with zeros: a higher order is never worse. The best is taken, if it is better than what the
    model came with.

    Where it is block-oriented, linear filters and static curves (`Dense`, `NonlinearFIR`, `Polynomial`, `PiecewiseLinear`,
    `TanhNetwork`) in compositions, its start is the best linear approximation of the data, of several orders. Poles and
    zeros are shared out among the filters around a curve in all ways [4]_, or some hundred of them, and the curve follows by
    linear least squares; elsewhere they are shared out at random. The best ones get short runs.
    They run on the threads that `set_workers` allows. Of several inputs, the first filter takes all zeros. `StateSpace` begins
    with a linear system realised from impulse responses, of any number of inputs and outputs.

    A `Delay` at the beginning of a chain is found before, input by input: from linear difference equations with each delay.

    Signals of unusual size, or with a large mean, are scaled where the first and last parts of the model can take gain and
    offset in: so volts and millivolts give the same model, but for its first and last coefficients. `learning_rate` and
    `clip` are those for scaled signals. Targets are scaled for 'mse', 'mae', 'esr' and 'nmse'; nothing is with
    `regularization`.

    Columns of the Jacobian are scaled to one length in 'lm', as taps, poles and biases need not be of one size; not so if the
    model has a recurrent layer.

    Without `validation`, 'adam' and 'sgd' judge an epoch of several steps by the mean of its losses.
    Absolute errors below a thousandth of the target's root mean square are squared by 'lm'.

    Cost of an iteration: one call and one pull-back for all data; of 'lm', a call for each parameter, or two filters
    in all if the model is a linear filter, and O(N P^2) for P parameters.

    References
    ----------
    .. [1] J. J. More, "The Levenberg-Marquardt algorithm: implementation and theory", Numerical Analysis, Lecture Notes in
       Mathematics 630, Springer 1978, doi:10.1007/BFb0067700.
    .. [2] D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, arXiv:1412.6980.
    .. [3] K. Steiglitz, L. E. McBride, "A technique for the identification of linear systems", IEEE Transactions on
       Automatic Control 10 (4), 461-464, 1965, doi:10.1109/TAC.1965.1098181.
    .. [4] J. Sjoberg, J. Schoukens, "Initializing Wiener-Hammerstein models based on partitioning of the best linear
       approximation", Automatica 48 (2), 353-359, 2012, doi:10.1016/j.automatica.2011.07.007.

    Examples
    --------
    Which filter made this?

    >>> import numpy as np
    >>> import sigrnn
    >>> x = np.random.default_rng(0).standard_normal(1000)
    >>> t = sigrnn.lfilter([1.0, 0.5], [1.0, -0.9], x)
    >>> result = sigrnn.fit(sigrnn.IIR(1), x, t)
    >>> result.solver, result.stop_reason
    ('lm', 'converged')
    >>> result.model.params["b"].round(6), result.model.params["a"].round(6)
    (array([1. , 0.5]), array([ 1. , -0.9]))
    """
    check_kinds(model, callback)
    check_starts(start, n_starts)
    rng = random(0 if rng is None else rng)
    steps = Steps(batch, tbptt, clip, learning_rate)
    check_numbers(solver, max_iter, warmup, regularization, steps)
    drawn = model.inputs is None or model._drawn
    data, judged = prepared(model, x, t, weights, warmup, validation, rng)
    measure = known(loss, data, weights is not None)
    solver, steps = chosen(solver, model, data, measure, steps)
    judge_by = measure if judged is None else known(loss, judged)
    shown = longest(data if judged is None else judged)
    units = None
    if max_iter != 0 and not regularization:
        units = units_of(model, data, isinstance(measure, Named) and measure.name != "huber")
    if units is not None:
        data, judged = units.scaled(data), judged and units.scaled(judged)
        measure, judge_by = in_units(measure, units), in_units(judge_by, units)
    trial = model.copy()  # what a solver tries is never seen in the model, whatever interrupts
    if units is not None and not drawn:
        units.enter(trial)
    if solver in descent.RULES and steps.batch is not None and len(data.x) == 1 and steps.batch > 1:
        check_pieces(steps.batch, len(data.x[0]) - warmup)
        data = data.cut(steps.batch, warmup)
    problem = Problem(trial, data, measure, float(regularization))
    plan = descent.Plan(0, steps.batch, steps.tbptt, steps.clip, warmup, steps.learning_rate)
    settings: dict[str, Any] = {"max_iter": ITERATIONS.get(solver, 0) if max_iter is None else max_iter}
    if solver in descent.RULES:
        if max_iter is None:
            settings["max_iter"] = int(np.clip(STEPS // plan.steps(data), EPOCHS, MOST_EPOCHS))
        settings.update(batch=steps.batch, tbptt=steps.tbptt)
    plan.epochs = settings["max_iter"]
    patience = PATIENCE.get(solver, max(plan.epochs // 5, 10))
    bar: Any = progress if callable(progress) else _progress.bar  # the command line has one of its own
    theta, stopped = np.array(trial.to_vector(), F8), False
    tried: Sequence[starts.Start] = ()
    quick = solver in descent.RULES and n_starts is None and start is None
    with blas_threads(get_workers()):
        if start != "given" and plan.epochs and not quick:
            waiting = bar(None, "start", "starts") if progress else _progress.Silent()
            fresh = drawn or start == "auto"
            try:
                theta, tried = starts.found(problem, theta, solver, plan, n_starts, fresh, rng, waiting)
            except KeyboardInterrupt:
                stopped = True
            finally:
                waiting.close()
        total = plan.epochs * (plan.steps(data) if solver in descent.RULES else 1)
        columns = descent.COLUMNS if solver in descent.RULES else ()
        judge = None if judged is None else Problem(trial, judged, judge_by)
        unit = "step" if solver in descent.RULES else "iteration"
        working = bar(total, unit, solver) if progress else _progress.Silent()
        watch = Watch(theta, problem, judge, patience, callback, working, columns, units, model)
        reason, message = run(solver, problem, watch, plan, rng, stopped)
        result = result_of(problem, watch, solver, settings, reason, message, shown, tried)
    if not result.stable:
        warnings.warn(unstable_message(model), UserWarning, stacklevel=3)
    return result


def longest(data: Data) -> tuple[Array, Array]:
    """The longest sequence."""
    k = max(range(len(data.x)), key=lambda k: len(data.x[k]))
    return data.x[k], data.t[k]


def in_units(loss: Loss, units: Units) -> Loss:
    """The loss of scaled signals: relative ones stay what they are."""
    if isinstance(loss, Named) and loss.name in ("esr", "nmse"):
        return loss._replace(scale=loss.scale * units.t_gain**2)
    return loss


def blas_threads(count: int) -> AbstractContextManager[Any]:
    """
    Limit the threads of NumPy's products, if threadpoolctl is installed.

    Products of a segment, and systems of a filter's few parameters, are small. On a busy machine, waiting for a second
    thread made an epoch of an LSTM of 16 units take 57 us a step in place of 6, and a hundred fits of a filter a minute in
    place of 7 s.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return threadpool_limits(count, user_api="blas")


def run(
    solver: str, problem: Problem, watch: Watch, plan: descent.Plan, rng: np.random.Generator, stopped: bool = False
) -> tuple[str, str]:
    """Run the solver, unless it was stopped before; however it ends, the model has the best parameters."""
    try:
        if stopped:
            return INTERRUPTED
        if solver in descent.RULES:
            return descent.descend(solver, problem, watch, plan, rng)
        return (least_squares if solver == "lm" else lbfgs).solve(problem, watch, plan.epochs)
    except Stopped as stop:
        return stop.reason, stop.message
    except KeyboardInterrupt:
        if np.isinf(watch.score):
            watch.best = watch.latest
        return INTERRUPTED
    finally:
        watch.bar.close()
        watch.show(watch.best)


def unstable_message(model: Model) -> str:
    """The warning about a model with an unstable filter."""
    parts = "; ".join(f"{part!r} with a pole of radius {radius:.6g}" for part, radius in unstable_parts(model))
    return f"the trained model has an unstable filter: {parts}. IIR and SOS stay stable with stable=True"


def result_of(
    problem: Problem,
    watch: Watch,
    solver: str,
    settings: dict[str, Any],
    reason: str,
    message: str,
    shown: tuple[Array, Array],
    tried: Sequence[starts.Start],
) -> FitResult:
    """The result, with the best parameters."""
    judged = watch.validation
    return FitResult(
        model=watch.model,
        history=watch.history,
        loss=problem.value(watch.best) * watch.factor,
        n_iter=watch.iterations,
        stop_reason=reason,
        message=message,
        solver=solver,
        settings=settings,
        validation_loss=None if judged is None else judged.value(watch.best) * watch.factor,
        clipped=int(sum(watch.history.columns.get("clipped", ()))),
        stable=not unstable_parts(watch.model),
        starts=tuple(each._replace(loss=each.loss * watch.factor) for each in tried),
        x=shown[0],
        t=shown[1],
    )
