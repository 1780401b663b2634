"""The benchmarks: expected results are right, wrong results are not timed, and reports have what was measured."""

import json
import re
import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.signal

from sigrnn.bench import ipp, lengths, main, timing
from sigrnn.bench.case import Case, Peer
from sigrnn.bench.cases import CASES, NOTES, select
from sigrnn.bench.filters import LFILTER
from sigrnn.bench.inputs import Noise, ba, of_scipy, sections, taps
from sigrnn.bench.lengths import COLUMNS, Column
from sigrnn.bench.report import Report, case_line, column_lines, duration
from sigrnn.bench.timing import FIRST, OURS, STARTS, Measurement, NotMeasured, ResultMismatch

pages = SimpleNamespace(**runpy.run_path(str(Path(__file__).resolve().parents[2] / "bench" / "pages.py")))
SCIPY = of_scipy("lfilter")
LOW = Case("low", "group", Noise(ba(2)), LFILTER["ours"], {"SciPy": SCIPY}, samples=2000)


def changed(change, case=LOW):
    """The case with a function of SciPy's result in sigrnn's place."""

    def bind(inputs):
        call = SCIPY.bind(inputs)
        return lambda: change(call())

    return replace(case, ours=bind)


def measured(name="lfilter order 8", ours=1e-3, **theirs):
    seconds = {OURS: ours} | (theirs or {"SciPy": 5e-3})
    return Measurement(name, "One channel", 1_000_000, 1, 1, next(iter(theirs), "SciPy"), seconds, 1e-15)


def full_report():
    columns = [Column(c.name, [64, 1000], {OURS: [20.0, 4.0], "SciPy": [50.0, 2.0]}) for c in COLUMNS]
    columns[0].ns["IPP"] = [10.0, None]
    starts = dict.fromkeys([*STARTS, f"{FIRST}, empty cache"], 0.25)
    return Report([measured(), measured("FIR 8 taps", 2e-3, SciPy=1e-3, other=5e-3)], columns, starts)


# --------------------------------------------------------------------------------------------------------------- cases


def test_names_are_unique():
    for cases in (CASES, COLUMNS):
        assert len({case.name for case in cases}) == len(cases)


def test_groups_with_notes_have_cases():
    assert set(NOTES) < {case.group for case in CASES}


@pytest.mark.parametrize("case", [*CASES, *COLUMNS], ids=lambda case: f"{case.group}, {case.name}")
def test_inputs_have_the_size_of_the_case_and_are_reproducible(case):
    case = case.limited(2048)
    inputs, again = case.setup(), case.setup()
    assert np.size(inputs.x) >= case.samples * case.channels > 0
    np.testing.assert_array_equal(inputs.x, again.x)


def test_lengths_are_those_people_filter():
    assert set(lengths.FULL) == {2**k for k in range(6, 21)} | {1000, 5000}
    assert set(lengths.SHORT) < set(lengths.FULL)


def test_select_takes_parts_and_patterns():
    assert [case.name for case in select("FIR 8 ")] == ["FIR 8 taps"]
    assert len(select("FIR*taps")) == 5
    assert select("*") == CASES
    assert select("nothing of the kind") == ()


# ------------------------------------------------------------------------------------------------------------- results


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: y + 1e-6, "is allowed"),
        (lambda y: np.where(np.arange(y.size) == 7, np.nan, y), "differs by inf"),
        (lambda y: y.astype(np.float32), "float32"),
        (lambda y: y[:-1], "1999"),
        (lambda y: (y, y), "and"),
    ],
)
def test_wrong_result_is_not_timed(monkeypatch, change, message):
    monkeypatch.setattr(timing, "rounds", lambda *_: pytest.fail("timed"))
    with pytest.raises(ResultMismatch, match=message):
        timing.measure(changed(change))


def test_difference_is_relative_to_the_largest_value_and_the_worst_part_counts():
    reference = np.linspace(-200, 100, 1000).reshape(500, 2)
    assert timing.difference(reference + 2e-3, reference) == pytest.approx(1e-5)
    assert timing.difference((reference, np.ones(2) + 1e-3), (reference, np.ones(2))) == pytest.approx(1e-3)
    assert timing.difference(np.zeros(0), np.zeros(0)) == 0
    assert timing.difference(np.ones(3), np.zeros(3)) == np.inf


def test_second_block_of_a_stream_is_checked_too():
    (case,) = select("Stream order 4, a block of 64")
    forgetful = replace(case, ours=SCIPY.bind)
    assert timing.measure(case, budget=0).difference == 0
    with pytest.raises(ResultMismatch):
        timing.measure(forgetful)
    assert timing.measure(replace(forgetful, steps=1), budget=0).difference == 0


def missing(inputs):
    raise ModuleNotFoundError("No module named 'other'")


def test_other_library_is_left_out_if_it_is_wrong_and_unmentioned_if_it_is_missing():
    wrong = {"SciPy": SCIPY, "wrong": Peer(lambda i: lambda: i.x), "missing": Peer(missing)}
    m = timing.measure(replace(LOW, peers=wrong), budget=0)
    assert set(m.seconds) == {OURS, "SciPy"}
    assert set(m.left_out) == {"wrong"}
    assert "is allowed" in m.left_out["wrong"]


def test_peer_that_computes_something_else_is_only_timed():
    m = timing.measure(replace(LOW, peers={"copy": Peer(lambda i: i.x.copy, False)}, expected=SCIPY.bind), budget=0)
    assert m.ratio == m.seconds["copy"] / m.seconds[OURS] > 0


def test_case_without_its_reference_needs_an_expected_result():
    alone = replace(LOW, peers={"other": Peer(missing)})
    with pytest.raises(NotMeasured, match="low: No module named 'other'"):
        timing.measure(alone)
    assert timing.measure(replace(alone, expected=SCIPY.bind), budget=0).ratio is None


def by_sections(sos, x):
    for section in sos:
        x = scipy.signal.lfilter(section[:3], section[3:], x)
    return x


def tanh_recursion(b, a, x):
    y = []
    for e in np.convolve(x, b)[: x.size]:
        past = y[: -a.size : -1]
        y.append(np.tanh((e - a[1 : len(past) + 1] @ past) / a[0]))
    return np.array(y)


@pytest.mark.parametrize(
    ("pattern", "function"),
    [
        ("vjp lfilter order 4*", scipy.signal.lfilter),
        ("vjp lfilter order 2, 32 channels*", scipy.signal.lfilter),
        ("vjp sosfilt*", by_sections),
        ("nlfilter*all gradients", tanh_recursion),
    ],
)
def test_expected_gradients_are_those_of_finite_differences(pattern, function):
    (case,) = select(pattern)
    inputs = case.limited(64).setup()
    y, *gradients = case.expected(inputs)()
    given = [array.copy() for array in (*inputs.filter, inputs.x)]
    np.testing.assert_allclose(y, function(*given), rtol=1e-12, atol=1e-12)
    for array, gradient in zip(given, gradients, strict=True):
        differences = np.empty_like(array)
        for k in np.ndindex(array.shape):
            values, kept = [], array[k]
            for step in (1e-6, -1e-6):
                array[k] = kept + step
                values.append(np.sum(inputs.dy * function(*given)))
            array[k], differences[k] = kept, (values[0] - values[1]) / 2e-6
        assert timing.difference(gradient, differences) < 1e-6


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_each_gradient_of_a_layer_is_compared(kind):
    (case,) = select(f"{kind} H16, 16 steps: forward and backward")
    assert timing.measure(replace(case, peers={}), budget=0).difference < 1e-5
    inputs = case.setup()
    right, expected = case.ours(inputs)(), case.results(inputs)
    for part in range(1, 6):  # x, w_ih, w_hh, b_ih, b_hh; the first is the value
        wrong = tuple(g * np.float32(1 + 1e-4) if k == part else g for k, g in enumerate(right))
        with pytest.raises(ResultMismatch):
            timing.bind(replace(case, ours=lambda _, wrong=wrong: lambda: wrong), inputs, OURS, expected)


@pytest.mark.parametrize("kind", ["LSTM H8", "GRU H32 B16", "RNN H16"])
def test_layers_agree_with_torch(kind):
    pytest.importorskip("torch")
    (case,) = select(f"{kind}: forward and backward")
    assert timing.measure(case.limited(1024), budget=0).difference < 1e-5


@pytest.mark.parametrize(
    ("name", "bind", "make"),
    [
        ("lfilter", ipp.recursive, Noise(ba(2))),
        ("sosfilt", ipp.recursive, Noise(sections(3))),
        ("lfilter", ipp.fir, Noise(taps(32))),
    ],
)
def test_ipp_starts_from_rest_in_each_call(name, bind, make):
    try:
        ipp.library()
    except ModuleNotFoundError as error:
        pytest.skip(str(error))
    case = Case("ipp", "group", make, bind, {"SciPy": of_scipy(name)}, samples=500, steps=2)
    assert timing.measure(case, budget=0).difference < 1e-12


# -------------------------------------------------------------------------------------------------------------- timing


def test_rounds_are_at_least_three_and_in_turn():
    called = []
    found = timing.rounds({name: lambda name=name: called.append(name) for name in "ab"}, budget=0)
    blocks = re.findall("a+|b+", "".join(called))
    assert len(blocks) >= 4  # both once, to find how many calls a reading takes, then three rounds in any order
    assert all(second > 0 for second in found.values())


def test_column_has_ns_of_a_sample_and_none_where_a_library_failed():
    def bind(inputs):
        if inputs.x.size > 64:
            raise ValueError("too long")
        return SCIPY.bind(inputs)

    case = replace(LOW, peers={"SciPy": SCIPY, "short": Peer(bind)})
    column = lengths.measure_column(case, [64, 128], 0)
    assert column.samples == [64, 128]
    assert column.ns["short"][1] is None is not column.ns["short"][0]
    assert all(ns > 0 for ns in column.ns[OURS])


def test_fresh_process_knows_the_package_and_its_environment(tmp_path):
    code = "import os, sigrnn; open(os.environ['PLACE'], 'w').write(sigrnn.__name__)"
    assert timing.fresh(code, {"PLACE": str(tmp_path / "name")}) > 0
    assert (tmp_path / "name").read_text() == "sigrnn"


# -------------------------------------------------------------------------------------------------------------- report


def test_report_survives_json_with_a_line_for_each_case_and_column():
    before = full_report()
    text = before.to_json()
    assert Report.from_json(text) == before
    assert len(text.splitlines()) < len(before.cases) + len(before.lengths) + 16
    exact = replace(before, cases=[measured(ours=1.23456789e-3)])
    assert json.loads(exact.to_json())["cases"][0]["seconds"][OURS] == 1.235e-3


def test_slower_is_marked_in_the_terminal():
    assert case_line(measured(ours=2e-3, SciPy=1e-3)).split()[-1] == "0.50*"
    assert case_line(measured(padasip=5e-3)).replace(" (padasip)", 10 * " ") == case_line(measured())
    *_, ratios, to_ipp = column_lines(full_report().lengths[0])
    assert ratios.split() == ["SciPy", "/", "sigrnn", "2.50", "0.50*", "mean", "1.12"]
    assert to_ipp.split() == ["IPP", "/", "sigrnn", "0.50*", "mean", "0.50"]


def test_summary_has_mean_worst_cell_and_number_of_losses():
    words = lengths.summary(full_report().lengths)
    assert f"geometric mean of {2 * len(COLUMNS)} cells: 1.12" in words
    assert re.search(r"Worst cell: 0\.50 \(.*, 1,000 samples\)", words)
    assert f"Slower in {len(COLUMNS)} cells" in words
    assert lengths.summary(full_report().lengths, "IPP").startswith(
        "Compared with IPP, geometric mean of 1 cells: 0.50"
    )
    assert lengths.summary([]) == ""


def test_losses_are_all_ratios_below_one_worst_first():
    lost = full_report().losses()
    assert lost == sorted(lost)
    assert (0.5, "FIR 8 taps", "SciPy") in lost
    assert (0.5, "lfilter order 1, at 1 of 2 lengths, worst at 64 samples", "IPP") in lost
    assert len(lost) == 2 + len(COLUMNS)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2, "2.00 s"), (0.9999, "1.00 s"), (0.0123, "12.3 ms"), (123.4e-6, "123 us"), (5e-9, "5.00 ns")],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


# --------------------------------------------------------------------------------------------------------------- pages


def test_page_has_all_tables_and_marks_losses():
    report = full_report()
    page = pages.page(report)
    assert "| lfilter order 8 | 1,000,000 x 1 | 5.00 ms | 1.00 ms | 5.00 |  | 1e-15 |" in page
    assert "| FIR 8 taps | 1,000,000 x 1 | 1.00 ms | 2.00 ms | **0.50** | other 2.50 |" in page
    assert "| 1,000 | 4.00 / 2.00 (**0.50**) |" in page
    assert lengths.summary(report.lengths) in page
    assert report.versions["numpy"] in page
    lost = page.split("## Where sigrnn loses")[1].split("##")[0]
    assert lost.count("| 0.50 |") == len(report.losses())


def test_page_has_no_targets():
    assert not re.search(r"floor|\baim|missed|\bmet\b", pages.page(full_report()))


def test_page_names_references_that_differ():
    one = replace(measured("nlfilter tanh", tanh=4e-3, libm=2e-3))
    assert "| samples x channels | tanh | sigrnn |" in pages.page(Report([one]))
    both = pages.page(Report([one, measured()]))
    assert "| tanh 4.00 ms | 1.00 ms | 4.00 | libm 2.00 |" in both
    assert "| SciPy 5.00 ms | 1.00 ms | 5.00 |" in both


def test_page_has_the_speed_of_layers_as_a_multiple_of_real_time():
    layer = replace(measured("LSTM H16: forward"), group="Recurrent layers", samples=4800)
    page = pages.page(Report([layer]))
    assert NOTES["Recurrent layers"] in page
    assert "| times real time at 48 kHz | difference |" in page
    assert "| 100 | 1e-15 |" in page


def test_page_lists_what_is_not_measured():
    report = Report(failed={"FIR 8 taps": "1e-3 away"}, left_out={"other": "no `module`"})
    assert "* **FIR 8 taps, sigrnn**: `1e-3 away`\n* other: `no module`" in pages.page(report)


def test_readme_is_filled_between_its_marks_only():
    before, after = "# Title\n\n<!-- bench:start -->", "<!-- bench:end -->\n\nThe end.\n"
    report = full_report()
    report.cases.append(measured("FDAF, 1024 taps", 2e-3, adafilt=1e-3))
    for column in report.lengths:
        column.ns["IPP"] = [10.0, 8.0]
    filled = pages.fill(f"{before}\nold words\n{after}", report)
    assert filled.startswith(before)
    assert filled.endswith(after)
    assert "old words" not in filled
    assert "| lfilter order 2 | 20.0 (2.50) | 4.00 (**0.50**) |" in filled
    assert "| FDAF, 1024 taps | adafilt | 1.00 ms | 2.00 ms | **0.50** |" in filled
    assert "| lfilter order 2, 1,000 samples | Intel IPP | 8.00 us | 4.00 us | 2.00 |" in filled
    assert "lfilter order 1, 1,000 samples" not in filled
    assert "FIR 8 taps" not in filled
    assert lengths.summary(report.lengths) in filled
    assert pages.fill(filled, report) == filled
    with pytest.raises(ValueError, match="bench:start"):
        pages.fill("# Title\n", report)


def test_readme_compares_known_cases_with_their_peers():
    found = {case.name: case for case in CASES}
    for name, library in pages.README_PEERS:
        assert library in found[name].peers


def test_pages_are_written_from_an_earlier_run(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    report = full_report()
    (tmp_path / "bench.json").write_text(report.to_json(), "utf-8")
    assert pages.run(["--load", str(tmp_path / "bench.json"), "--into", str(tmp_path)]) == 0
    page = (tmp_path / "docs" / "benchmarks.md").read_text("utf-8")
    for name in ("lengths", "ratios"):
        assert f"(_static/bench-{name}.svg)" in page
        assert (tmp_path / "docs" / "_static" / f"bench-{name}.svg").stat().st_size > 5000
    assert Report.from_json((tmp_path / "docs" / "_static" / "benchmarks.json").read_text("utf-8")) == report
    assert "times as fast" in (tmp_path / "README.md").read_text("utf-8")


# -------------------------------------------------------------------------------------------------------- command line


def test_bench_measures_prints_and_writes(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(main, "QUICK", main.QUICK._replace(budget=0, cell=0, lengths=(64, 128)))
    file = tmp_path / "deep" / "bench.json"
    assert main.main(["--quick", "--case", "*filter order 4*zi", "--json", str(file)]) == 0
    assert "lfilter order 4, 64 samples, zi" in capsys.readouterr().out
    assert [m.name for m in Report.from_json(file.read_text("utf-8")).cases] == ["lfilter order 4, 64 samples, zi"]
    assert main.main(["lengths", "--quick", "--case", "lfilter order 2, zi", "--json", str(file)]) == 0
    assert "geometric mean of 2 cells" in capsys.readouterr().out
    assert Report.from_json(file.read_text("utf-8")).lengths[0].samples == [64, 128]


@pytest.mark.parametrize("table", ["calls", "lengths"])
def test_bench_reports_a_wrong_result_and_continues(monkeypatch, capsys, table):
    case = changed(np.negative)
    cases = [replace(case, group=main.CALLS), replace(LOW, name="right", group=main.CALLS)]
    monkeypatch.setattr(main, "select", lambda *_: cases)
    assert main.main([table, "--quick"]) == 1
    printed = capsys.readouterr().out
    assert "FAILED low, sigrnn: result differs by 2.0e+00" in printed
    assert re.search("^right ", printed, re.MULTILINE)


def test_bench_lists_a_case_without_reference(monkeypatch, capsys):
    monkeypatch.setattr(main, "select", lambda *_: [replace(LOW, peers={"other": Peer(missing)})])
    assert main.main(["cases", "--quick"]) == 0
    assert "left out: low: No module named 'other'" in capsys.readouterr().out


def test_bench_refuses_a_pattern_that_matches_nothing(capsys):
    with pytest.raises(SystemExit) as stop:
        main.main(["--case", "nothing of the kind"])
    assert stop.value.code == 2
    assert "nothing of the kind" in capsys.readouterr().err


def test_plots_need_matplotlib(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(main, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as stop:
        main.main(["--plots", str(tmp_path)])
    assert stop.value.code == 2
    assert "--plots needs matplotlib" in capsys.readouterr().err
