"""`report`: what was called, which loop served it, what went back to SciPy; and nothing where nobody asks."""

import pickle
import threading

import numpy as np
import pytest
import scipy.signal
from helpers import python_calls

import sigrnn
from sigrnn.patching import counting, patch

B, A = scipy.signal.butter(2, 0.2)
SOS = scipy.signal.butter(4, 0.2, output="sos")
TAPS = np.ones(20) / 20
LONG = np.ones(500) / 500


@pytest.fixture(autouse=True)
def silent():
    yield
    assert patch._counting is None
    assert not sigrnn.is_patched()


def counted(run):
    """The rows of a report about a call, seconds left out."""
    with sigrnn.report() as report:
        run()
    assert all(row.seconds > 0.0 for row in report.rows)
    return sorted((row.function, row.calls, row.samples, row.served_by, row.why) for row in report.rows)


@pytest.mark.parametrize(
    ("function", "coefficients", "shape", "loop"),
    [
        ("lfilter", (B, A), 64, counting.PLAIN),
        ("lfilter", (B, A), 3000, counting.BLOCKS),
        ("lfilter", (B, A), (20, 100), counting.LANES),
        ("lfilter", (TAPS, [1.0]), 3000, counting.TAPS),
        ("lfilter", (TAPS, [1.0]), (3, 100), counting.TAPS),
        ("lfilter", (LONG, [1.0]), 65_536, counting.TRANSFORMS),
        ("sosfilt", (SOS,), 64, counting.PLAIN),
        ("sosfilt", (SOS,), 3000, counting.BLOCKS),
        ("sosfilt", (SOS,), (20, 100), counting.LANES),
        ("filtfilt", (B, A), 3000, counting.BLOCKS),
        ("sosfiltfilt", (SOS,), (20, 100), counting.LANES),
    ],
)
@pytest.mark.parametrize("again", [False, True])
def test_loops(rng, function, coefficients, shape, loop, again):
    x = rng.standard_normal(shape)
    if again:  # what is kept from the first call on takes a shorter way
        getattr(sigrnn, function)(*coefficients, x)
    found = counted(lambda: getattr(sigrnn, function)(*coefficients, x))
    assert found == [(function, 1, x.size, loop, "")]


def test_unstable_filters_run_sample_after_sample(rng):
    x = rng.standard_normal(3000)
    found = counted(lambda: [sigrnn.lfilter([1.0], [1.0, -1.0001], x) for _ in range(2)])
    assert found == [("lfilter", 2, 6000, counting.PLAIN, "")]


@pytest.mark.parametrize(
    ("run", "row"),
    [
        (lambda x: sigrnn.filtfilt(B, A, x, method="gust"), ("filtfilt", 1, 200, "scipy.signal", "method 'gust'")),
        (
            lambda x: sigrnn.lfilter(B, A, x.astype(np.longdouble)),
            ("lfilter", 1, 200, "scipy.signal", f"dtype {np.dtype(np.longdouble)}"),
        ),
        (
            lambda x: sigrnn.lfilter([np.inf, 1.0], [1.0], x + 1j),
            ("lfilter", 1, 200, "scipy.signal", "NaN or inf with complex numbers"),
        ),
    ],
)
def test_what_is_handed_back_and_why(rng, run, row):
    x = rng.standard_normal(200)
    with np.errstate(invalid="ignore"):
        assert counted(lambda: run(x)) == [row]


def test_functions_without_samples():
    found = counted(lambda: (sigrnn.lfilter_zi(B, A), sigrnn.lfiltic(B, A, [1.0])))
    assert found == [("lfilter_zi", 1, 0, counting.OTHER, ""), ("lfiltic", 1, 0, counting.OTHER, "")]


def test_calls_by_scipys_names_and_by_ours():
    x = np.ones(10)
    with sigrnn.report() as report:
        scipy.signal.lfilter(B, A, x)  # not patched: SciPy's own business
        with sigrnn.patch_scipy():
            scipy.signal.lfilter(B, A, x)
            scipy.signal.lfilter(B, A, x=[1.0, 2.0], zi=np.zeros(2))
        sigrnn.lfilter(b=B, a=A, x=x, out=np.empty(10))
    (row,) = report.rows
    assert (row.calls, row.samples) == (3, 22)


def test_results_and_errors_are_the_functions(rng):
    x = rng.standard_normal(30)
    wanted = sigrnn.lfilter(B, A, x)
    with sigrnn.report() as report:
        assert np.array_equal(sigrnn.lfilter(B, A, x), wanted)
        with pytest.raises(ValueError, match="a\\[0\\] must not be 0"):
            sigrnn.lfilter(B, [0.0], x)
        with pytest.raises(TypeError, match="nonsense"):
            sigrnn.lfilter(B, A, x, nonsense=1)
        y, _ = sigrnn.vjp(sigrnn.lfilter, B, A, x)
        assert pickle.loads(pickle.dumps(sigrnn.lfilter)) is sigrnn.lfilter
    assert np.array_equal(y, wanted)
    assert report.rows[0].calls == 1


def test_nothing_when_not_asked_for():
    plain = sigrnn.lfilter
    one = counting._recursive.RecursiveFilter.one
    with sigrnn.patch_scipy("lfilter"):
        assert scipy.signal.lfilter.__code__ is plain.__code__  # no wrapper: not one more function is called
        with sigrnn.report():
            assert sigrnn.lfilter is not plain
            assert scipy.signal.lfilter.__code__ is not plain.__code__
        assert scipy.signal.lfilter.__code__ is plain.__code__
    assert sigrnn.lfilter is plain
    assert counting._recursive.RecursiveFilter.one is one


def test_a_counted_call_enters_one_more_function(rng):
    x = rng.standard_normal(64)
    plain = python_calls(lambda: sigrnn.lfilter(B, A, x))
    with sigrnn.report():
        assert python_calls(lambda: sigrnn.lfilter(B, A, x)) == plain + 1


def test_one_report_at_a_time():
    report = sigrnn.report()
    sigrnn.lfilter(B, A, np.ones(5))
    assert sigrnn.report() is report
    assert report.rows[0].calls == 1
    report.stop()
    sigrnn.lfilter(B, A, np.ones(5))
    assert report.rows[0].calls == 1
    with sigrnn.report() as later:
        assert later is not report
        assert later.rows == []
        with sigrnn.report():
            pass
        sigrnn.lfilter(B, A, np.ones(5))  # the inner end was not the last
    assert later.rows[0].calls == 1


def test_threads_keep_their_notes_apart(rng):
    long, short = rng.standard_normal(3000), rng.standard_normal(64)

    def work(x):
        for _ in range(200):
            sigrnn.lfilter(B, A, x)

    with sigrnn.report() as report:
        threads = [threading.Thread(target=work, args=(x,)) for x in (long, short, long, short)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {row.served_by: (row.calls, row.samples) for row in report.rows} == {
        counting.BLOCKS: (400, 400 * 3000),
        counting.PLAIN: (400, 400 * 64),
    }


def test_uncounted_work_leaves_no_note(rng):
    with sigrnn.report() as report:
        sigrnn.Stream(B, A)(rng.standard_normal((20, 100)))
        sigrnn.lfilter(B, A, np.ones(5))
    assert [row.served_by for row in report.rows] == [counting.PLAIN]


def test_shown():
    with sigrnn.report() as report:
        assert str(report).startswith("no calls were counted")
        sigrnn.lfilter(B, A, np.ones(1500))
        sigrnn.lfilter(B, A, np.ones(5, np.longdouble))
    lines = str(report).splitlines()
    assert lines[0].split() == ["function", "calls", "samples", "seconds", "served", "by"]
    assert sorted(line.split()[2] for line in lines[1:]) == ["1,500", "5"]
    assert any(line.endswith(f"scipy.signal (dtype {np.dtype(np.longdouble)})") for line in lines)
    assert repr(report) == str(report)
    html = report._repr_html_()
    assert html.count("<tr>") == 3
    assert "<td>1,500</td>" in html


def test_plot():
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    with sigrnn.report() as report:
        sigrnn.lfilter(B, A, np.ones(1500))
        sigrnn.lfilter(B, A, np.ones(5, np.longdouble))
    ax = report.plot()
    assert [bar.get_width() for bar in ax.patches] == [row.seconds for row in report.rows[::-1]]
    assert len({bar.get_facecolor() for bar in ax.patches}) == 2
    other = plt.figure().add_subplot()
    assert report.plot(other) is other
    plt.close("all")
