"""The benchmarks themselves: all promised cases are there, nothing wrong is timed, and reports say what was found."""

import base64
import html
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import scipy.signal

from sigrnn.bench import bindings, filters, measure, pages, peers, report, scaling, timing
from sigrnn.bench.timing import COPY, OURS, REFERENCE, Measurement, NoReference, ResultMismatch

WHOLE = "value and all gradients (SciPy: value alone)"

# What the project promises, as ratios to the reference, which is SciPy unless the name says otherwise: floor, aim.
PROMISED = {
    "lfilter order 1": (4, 8),
    "lfilter order 2": (5, 8),
    "lfilter order 4": (4, 7),
    "lfilter order 8": (2.5, 4),
    "lfilter order 2, cut-off 0.001": (3, 7),
    "sosfilt 4 sections": (5, 10),
    "filtfilt order 4": (4, 8),
    "lfilter order 4, 64 channels x 16k, axis -1": (4, 8),
    "lfilter order 4, 16k x 64 channels, axis 0": (5, 12),
    "sosfilt 4 sections, 16k x 64 channels, axis 0": (6, 12),
    "lfilter order 2, float32": (5, 10),
    "FIR 8 taps": (3, 5),
    "FIR 32 taps": (5, 10),
    "FIR 128 taps": (2.5, 5),
    "FIR 512 taps": (2, 4),
    "FIR 4096 taps": (4, 20),
    "64 samples with zi, lfilter": (2.5, 4),
    "64 samples with zi, sosfilt": (8, 25),
    "sosfilt 2 sections, 384 channels x 30 kHz x 10 s, axis -1, 2 workers": (5, 12),
    "sosfilt 2 sections, 30 kHz x 10 s x 384 channels, axis 0, 2 workers": (5, 12),
    f"vjp lfilter order 1: {WHOLE}": (1.2, 2.5),
    f"vjp lfilter order 2: {WHOLE}": (1.2, 2.5),
    f"vjp lfilter order 4: {WHOLE}": (1, 2),
    f"vjp lfilter order 8: {WHOLE}": (0.7, 1.2),
    f"vjp lfilter order 2, 32 channels: {WHOLE}": (1.2, 3),
    f"vjp sosfilt 4 sections: {WHOLE}": (0.7, 1.5),
    "vjp lfilter order 2, beside torchaudio": (8, 20),
    "vjp lfilter order 2, beside philtorch": (8, 20),
    "nlfilter tanh order 2": (0.59, 1),
    "nlfilter tanh order 2, 16 channels": (3.3, 8.3),
    "nlfilter tanh order 2, pull-back": (2, 5),
    "nlfilter tanh order 2, value and all gradients": (2000, 10_000),
    "LSTM H8: forward": (5, 12),
    "LSTM H8: forward and backward": (5, 18),
    "LSTM H16: forward": (5, 11),
    "LSTM H16: forward and backward": (4, 13),
    "LSTM H40: forward": (2.5, 5),
    "LSTM H40: forward and backward": (2.5, 6),
    "LSTM H128: forward": (1, 1.8),
    "LSTM H128: forward and backward": (1, 1.9),
    "LSTM H32 B16: forward": (1.5, 3),
    "LSTM H32 B16: forward and backward": (1.5, 3.5),
    "LSTM H64 I64 B16: forward": (1, 1.7),
    "LSTM H64 I64 B16: forward and backward": (1, 2),
    "GRU H8: forward": (100, 250),
    "GRU H8: forward and backward": (80, 1000),
    "GRU H32: forward": (40, 100),
    "GRU H32: forward and backward": (60, 400),
    "GRU H32 B16: forward": (5, 12),
    "GRU H32 B16: forward and backward": (8, 30),
    "RNN H16: forward": (50, 250),
    "RNN H16: forward and backward": (60, 600),
}
LAYERS = [name for name in PROMISED if re.match("LSTM|GRU|RNN", name)]
REFERENCES = {
    "vjp lfilter order 2, beside torchaudio": "torchaudio",
    "vjp lfilter order 2, beside philtorch": "philtorch",
    "nlfilter tanh order 2": "np.tanh",
    "nlfilter tanh order 2, 16 channels": "np.tanh",
    "nlfilter tanh, FIR 5 taps": "np.tanh",
    "nlfilter tanh order 2, pull-back": "nlfilter forward",
    "nlfilter tanh order 2, value and all gradients": "torch loop",
    **dict.fromkeys(LAYERS, "torch"),
}
LFILTER = measure.select("lfilter order 2")[0].limited(2000)


def measured(name="lfilter order 1", ours=1e-3, scipy=5e-3, **others):
    seconds = {OURS: [ours, 2 * ours], REFERENCE: [scipy, 2 * scipy], COPY: [2e-4], **others}
    return Measurement(name, "One channel", 1_000_000, 1, "float64", 1, 4, 8, seconds, 1e-15)


def full_report():
    memory = [
        {"function": "lfilter", "samples": n, "library": library, "numpy": 5000, "resident": None}
        for n in (10_000, 100_000)
        for library in (OURS, REFERENCE)
    ]
    series = [replace(measured(), samples=n, channels=c) for n, c in ((1000, 1), (10_000, 4))]
    starts = {name: [0.2, 0.1] for name in (*timing.STARTS, timing.EMPTY_CACHE)}
    return pages.Report(cases=[measured()], length=series, channels=series, memory=memory, starts=starts)


@pytest.fixture
def as_ours(monkeypatch):
    """Put a function of SciPy's result in sigrnn's place."""

    def put(change):
        def binding(inputs):
            call = bindings.PEERS["lfilter"][REFERENCE].bind(inputs)
            return lambda: change(call())

        monkeypatch.setitem(bindings.OURS, "lfilter", binding)

    return put


# --------------------------------------------------------------------------------------------------------------- cases


def test_names_are_unique():
    names = [case.name for case in measure.CASES]
    assert len(names) == len(set(names))


def test_all_that_is_promised_is_measured():
    assert {case.name: (case.floor, case.aim) for case in filters.CASES if case.floor} == PROMISED


def test_reference_is_scipy_unless_promised_otherwise():
    assert {case.name: case.reference for case in filters.CASES if case.reference != REFERENCE} == REFERENCES
    assert not any(case.headline for case in filters.CASES if case.name in REFERENCES)


def test_sizes_are_as_promised():
    sizes = {case.name: case.shape for case in filters.CASES}
    assert sizes["lfilter order 1"] == (1_000_000,)
    assert sizes["lfilter order 4, 16k x 64 channels, axis 0"] == (16_384, 64)
    assert sizes["64 samples with zi, lfilter"] == (64,)
    assert sizes["LSTM H8: forward"] == (2048, 1)
    assert sizes["LSTM H64 I64 B16: forward"] == (16, 2048, 64)
    assert sizes["sosfilt 2 sections, 384 channels x 30 kHz x 10 s, axis -1, 2 workers"] == (384, 300_000)


@pytest.mark.parametrize("case", filters.CASES, ids=lambda case: case.name)
def test_setup_makes_what_the_case_says(case):
    case = case.limited(2000)
    inputs = case.setup()
    assert inputs.x.shape == case.shape
    assert inputs.x.dtype == case.dtype
    given = (inputs.b, inputs.a, inputs.sos, *inputs.weights)
    assert {array.dtype for array in given if array.size} == {inputs.x.real.dtype}
    assert (inputs.zi is not None, inputs.out is not None) == (case.zi, case.out)
    assert inputs.dy.shape == (case.shape_out if case.dy else (0,))
    np.testing.assert_array_equal(inputs.x, case.setup().x)


def test_limited_shortens_only_what_is_long():
    assert LFILTER.samples == 2000
    assert LFILTER.limited(10**6) == LFILTER


def test_select_takes_parts_and_patterns():
    assert [case.name for case in measure.select("FIR 8 ")] == ["FIR 8 taps"]
    assert len(measure.select("FIR*taps")) == 5
    assert measure.select("*") == measure.CASES
    assert measure.select("nothing of the kind") == ()


# -------------------------------------------------------------------------------------------------------------- checks


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: y + 1e-6, "away from what is expected"),
        (lambda y: np.where(np.arange(y.size) == 7, np.nan, y), "inf of the largest"),
        (lambda y: y.astype(np.float32), "float32"),
        (lambda y: y[:-1], "1999"),
        (lambda y: (y, y), "and"),
    ],
)
def test_wrong_result_is_not_timed(as_ours, monkeypatch, change, message):
    as_ours(change)
    monkeypatch.setattr(timing, "rounds", lambda *_: pytest.fail("timed"))
    with pytest.raises(ResultMismatch, match=message):
        timing.measure(LFILTER)


def test_wrong_state_is_noticed():
    y, zf = np.arange(3.0), np.ones(2)
    assert timing.difference((y, zf), (y, zf)) == 0
    assert timing.difference((y, zf + 1e-3), (y, zf)) == pytest.approx(1e-3)


def test_difference_is_relative_to_the_largest_value():
    reference = np.linspace(-200, 100, 1000).reshape(500, 2)
    assert timing.difference(reference + 2e-3, reference) == pytest.approx(1e-5)
    assert timing.difference(np.zeros(0), np.zeros(0)) == 0
    assert timing.difference(np.ones(3), np.zeros(3)) == np.inf


def test_second_block_of_a_stream_is_checked_too(monkeypatch):
    case = measure.select("Stream, blocks of 64, order 4")[0]
    forgetful = bindings.PEERS["lfilter"][REFERENCE].bind
    monkeypatch.setitem(bindings.OURS, "stream", forgetful)
    with pytest.raises(ResultMismatch):
        timing.measure(case)
    assert timing.measure(replace(case, steps=1), budget=0).ratio > 0


def test_other_library_that_fails_is_left_out(as_ours, monkeypatch):
    as_ours(lambda y: y)
    wrong = peers.Peer("numpy", lambda i: lambda: np.zeros_like(i.x))
    monkeypatch.setitem(bindings.PEERS, "lfilter", {REFERENCE: bindings.PEERS["lfilter"][REFERENCE], "wrong": wrong})
    m = timing.measure(LFILTER, budget=0)
    assert set(m.seconds) == {OURS, REFERENCE, COPY}
    assert "away from what is expected" in m.left_out["wrong"]


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
    ("pattern", "names", "function"),
    [
        ("vjp lfilter order 4*", ("b", "a", "x"), scipy.signal.lfilter),
        ("vjp lfilter order 2, 32 channels*", ("b", "a", "x"), scipy.signal.lfilter),
        ("vjp sosfilt*", ("sos", "x"), by_sections),
        ("nlfilter*all gradients", ("b", "a", "x"), tanh_recursion),
    ],
)
def test_gradients_that_ours_are_compared_with_are_right(pattern, names, function):
    (case,) = measure.select(pattern)
    case = case.limited(64)
    inputs = case.setup()
    y, *gradients = case.expected(inputs)()
    given = [getattr(inputs, name).copy() for name in names]
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


@pytest.mark.parametrize("part", range(4))
def test_wrong_gradient_is_not_timed(monkeypatch, part):
    case = measure.select("vjp lfilter order 2:")[0].limited(2000)
    right = case.ours

    def binding(inputs):
        call = right(inputs)
        return lambda: tuple(result * (1 + 1e-6 * (k == part)) for k, result in enumerate(call()))

    assert timing.measure(case, budget=0).difference < 1e-12
    monkeypatch.setitem(bindings.OURS, "lfilter vjp", binding)
    with pytest.raises(ResultMismatch):
        timing.measure(case)


def test_layers_have_weights_as_before_training():
    case = measure.select("LSTM H64 I64 B16: forward and backward")[0].limited(2000)
    inputs = case.setup()
    assert case.limited(1600).shape_out == (16, 100, 64)
    assert [w.shape for w in inputs.weights] == [(256, 64), (256, 64), (256,), (256,)]
    assert all(0.1 < abs(w).max() <= 0.125 for w in inputs.weights)


@pytest.mark.parametrize("kind", ["LSTM H8", "GRU H32 B16", "RNN H16"])
def test_layers_are_compared_with_those_of_torch(monkeypatch, kind):
    pytest.importorskip("torch")
    case = measure.select(f"{kind}: forward and backward")[0].limited(1024)
    right = case.ours
    assert timing.measure(case, budget=0).difference < 1e-5

    def off_by(part):
        def binding(inputs):
            call = right(inputs)
            return lambda: tuple(g * np.float32(1 + 1e-4) if k == part else g for k, g in enumerate(call()))

        return binding

    for part in range(1, 6):  # x, w_ih, w_hh, b_ih, b_hh; the first is the value
        monkeypatch.setitem(bindings.OURS, case.function, off_by(part))
        with pytest.raises(ResultMismatch):
            timing.measure(case)


def test_yardstick_is_timed_whatever_it_returns():
    m = timing.measure(measure.select("nlfilter tanh, FIR 5 taps")[0].limited(2000), budget=0)
    assert (m.reference, list(m.others), m.left_out) == ("np.tanh", ["libm tanh"], {})
    assert m.ratio == m.best("np.tanh") / m.best() > 0


@pytest.mark.parametrize(
    ("peer", "why"),
    [
        (peers.Peer("no_such_module", lambda i: lambda: i.x), "no_such_module is not installed"),
        (peers.Peer("numpy", lambda i: lambda: i.x), "is expected"),
    ],
)
def test_case_without_its_reference_is_left_out(monkeypatch, tmp_path, capsys, peer, why):
    monkeypatch.setitem(bindings.PEERS, "torchaudio vjp", {"torchaudio": peer})
    case = measure.select("*beside torchaudio")[0].limited(2000)
    with pytest.raises(NoReference, match=why):
        timing.measure(case)
    assert report.main(["--quick", "--case", case.name, "--markdown", str(tmp_path / "bench.md")]) == 0
    assert f"left out: {case.name}: " in capsys.readouterr().out
    assert f"* {case.name}: `" in (tmp_path / "bench.md").read_text("utf-8")


# -------------------------------------------------------------------------------------------------------------- timing


def test_rounds_are_at_least_three_and_interleaved():
    called = []
    found = timing.rounds({name: lambda name=name: called.append(name) for name in "ab"}, budget=0)
    assert [len(seconds) for seconds in found.values()] == [3, 3]
    assert all(0 < second < 1e-3 for seconds in found.values() for second in seconds)


def test_measurement_counts():
    m = measured(ours=1e-3, scipy=5e-3, slow=[2e-3], fast=[5e-4])
    assert m.ratio == pytest.approx(5)
    assert m.copy_share == pytest.approx(0.2)
    assert m.nanoseconds() == pytest.approx(1)
    assert m.losers == ["fast"]


def test_series_and_their_sizes():
    assert {case.samples for case in scaling.length_series(10**8)} >= {10**k for k in range(3, 9)}
    assert {case.samples * case.channels for case in scaling.channel_series(2**18)} == {2**18}
    assert all(case.floor is None for case in scaling.length_series())


def test_scratch_counts_what_numpy_allocates():
    assert scaling.scratch(lambda: None, 0)["numpy"] < 100_000
    assert scaling.scratch(lambda: np.ones(10**6).sum(), 0)["numpy"] >= 8 * 10**6
    assert scaling.scratch(lambda: np.ones(10**6), 8 * 10**6)["numpy"] < 100_000


def test_fresh_process_knows_the_package_and_its_environment():
    seconds, printed = timing.fresh("import os, sigrnn; print(os.environ['PLACE'], sigrnn.__name__)", {"PLACE": "here"})
    assert printed.split() == ["here", "sigrnn"]
    assert seconds > 0


# -------------------------------------------------------------------------------------------------------------- report


def test_report_survives_json():
    before = full_report()
    after = pages.Report.from_dict(json.loads(json.dumps(before.to_dict())))
    assert after == before
    assert pages.page(after, "_static") == pages.page(before, "_static")


def test_page_says_where_and_how_fast():
    page = pages.page(full_report())
    assert "| lfilter order 1 | 1,000,000 x 1 | 5.00 ms | 1.00 ms | 5.00 | 4: met | 8: **missed** |" in page
    assert full_report().versions["numpy"] in page
    assert "**slower**" not in page.split("## One channel")[1]
    for heading in ("Growth", "Memory", "Cold start"):
        assert f"## {heading}" in page


def test_page_marks_what_is_lost():
    lost = measured(ours=2e-3, scipy=1e-3, other=[1.5e-3])
    page = pages.page(pages.Report(cases=[lost], failed={"FIR 8 taps": "1e-3 away"}))
    assert "0.50 (**slower** than SciPy, other) | 4: **missed**" in page
    assert "* **FIR 8 taps, sigrnn**: `1e-3 away`" in page


def test_page_names_the_reference_of_each_row():
    nonlinear = replace(measured("nlfilter tanh", tanh=[4e-3]), reference="tanh")
    page = pages.page(pages.Report(cases=[nonlinear]))
    assert "| samples x channels | tanh | sigrnn |" in page
    assert "| 1,000,000 x 1 | 4.00 ms | 1.00 ms | 4.00 | 4: met | 8: **missed** | SciPy 5.00 |" in page
    page = pages.page(pages.Report(cases=[nonlinear, measured()]))
    assert "| samples x channels | reference | sigrnn |" in page
    assert "| tanh 4.00 ms | 1.00 ms | 4.00 |" in page
    assert "| SciPy 5.00 ms | 1.00 ms | 5.00 |" in page


def test_pages_say_what_is_compared_beside_a_group_that_needs_it():
    for group, note in measure.NOTES.items():
        assert f"## {group}\n\n{note}\n\n|" in pages.page(pages.Report(cases=[replace(measured(), group=group)]))


def test_page_says_how_much_faster_than_sound_layers_are():
    layer = replace(measured("LSTM H16: forward", ours=1e-3), group="Recurrent layers", samples=4800)
    page = pages.page(pages.Report(cases=[layer]))
    assert "| a step | real time | difference |" in page
    assert "| 208 ns | 100 x | 1e-15 |" in page
    assert "| copy |" not in page


def test_page_names_pictures_only_if_there_are_any():
    assert "![" not in pages.page(full_report())
    assert "(_static/bench-length.svg)" in pages.page(full_report(), "_static")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2, "2.00 s"), (0.9999, "1.00 s"), (0.0123, "12.3 ms"), (123.4e-6, "123 us"), (5e-9, "5.00 ns")],
)
def test_duration(seconds, text):
    assert pages.duration(seconds) == text


def test_readme_is_filled_between_its_marks_only():
    before, after = "# Title\n\n<!-- bench:start -->", "<!-- bench:end -->\n\nThe end.\n"
    headline = pages.Report(cases=[measured("lfilter order 2"), measured("lfilter order 1")])
    filled = pages.fill_readme(f"{before}\nold words\n{after}", headline)
    assert filled.startswith(before)
    assert filled.endswith(after)
    assert "old words" not in filled
    assert "| lfilter order 2 | 5.00 ms | 1.00 ms | 5.0 |" in filled
    assert "lfilter order 1" not in filled
    assert pages.fill_readme(filled, headline) == filled


def test_readme_names_another_reference():
    row = replace(measured("NLMS, 32 taps"), reference="padasip", seconds={"padasip": [3e-3], OURS: [1e-3]})
    filled = pages.fill_readme("<!-- bench:start --><!-- bench:end -->", pages.Report(cases=[row]))
    assert "| NLMS, 32 taps (padasip) | 3.00 ms | 1.00 ms | 3.0 |" in filled


def test_readme_without_marks_is_refused():
    with pytest.raises(ValueError, match="bench:start"):
        pages.fill_readme("# Title\n", full_report())


# -------------------------------------------------------------------------------------------------------- command line


def test_bench_measures_and_writes(tmp_path, capsys):
    paths = [tmp_path / "deep" / "bench.json", tmp_path / "bench.md"]
    assert report.main(["--quick", "--case", "64 samples*", "--json", str(paths[0]), "--markdown", str(paths[1])]) == 0
    assert "64 samples with zi, sosfilt" in capsys.readouterr().out
    stored = json.loads(paths[0].read_text("utf-8"))
    assert [case["name"] for case in stored["cases"]] == ["64 samples with zi, lfilter", "64 samples with zi, sosfilt"]
    assert "64 samples with zi, lfilter" in paths[1].read_text("utf-8")


def test_bench_draws_from_an_earlier_run(tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "bench.json").write_text(json.dumps(full_report().to_dict()), "utf-8")
    (tmp_path / "README.md").write_text("<!-- bench:start --><!-- bench:end -->", "utf-8")
    where = {"--plots": "docs/_static", "--markdown": "docs/benchmarks.md", "--readme": "README.md"}
    options = [text for option, path in where.items() for text in (option, str(tmp_path / path))]
    assert report.main(["--load", str(tmp_path / "bench.json"), *options]) == 0
    page = (tmp_path / "docs" / "benchmarks.md").read_text("utf-8")
    for name in pages.PICTURES:
        assert f"(_static/bench-{name}.svg)" in page
        assert (tmp_path / "docs" / "_static" / f"bench-{name}.svg").stat().st_size > 5000
    assert "times faster" in (tmp_path / "README.md").read_text("utf-8")


def test_bench_writes_one_page_for_a_browser(tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("markdown_it")
    given = replace(full_report(), failed={"FIR 8 taps": "1 < 2 & <script>"})
    (tmp_path / "bench.json").write_text(json.dumps(given.to_dict()), "utf-8")
    assert report.main(["--load", str(tmp_path / "bench.json"), "--html", str(tmp_path / "deep" / "bench.html")]) == 1
    page = (tmp_path / "deep" / "bench.html").read_text("utf-8")
    pictures = re.findall(r'<img src="data:image/svg\+xml;base64,([^"]+)" alt="([^"]+)"', page)
    assert [words for _, words in pictures] == [*map(html.escape, pages.PICTURES.values())]
    assert all(b"</svg>" in base64.b64decode(code) for code, _ in pictures)
    assert len(re.findall("src=|href=", page)) == len(pictures)  # nothing is fetched
    assert "<td>lfilter order 1</td>" in page
    assert "<script>" not in page
    assert "<!--" not in page


@pytest.mark.parametrize("option", ["--html", "--plots"])
def test_bench_says_what_a_page_needs(option, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(report, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as stop:
        report.main(["--load", str(tmp_path / "bench.json"), option, str(tmp_path / "bench")])
    assert stop.value.code == 2
    assert f"{option} needs matplotlib" in capsys.readouterr().err


def test_bench_goes_on_after_a_wrong_result_and_says_so(as_ours, capsys):
    as_ours(lambda result: (-result[0], result[1]))
    assert report.main(["--quick", "--case", "64 samples*"]) == 1
    printed = capsys.readouterr().out
    assert "FAILED 64 samples with zi, lfilter, sigrnn" in printed
    assert "64 samples with zi, sosfilt  " in printed


def test_bench_refuses_a_pattern_that_matches_nothing(capsys):
    with pytest.raises(SystemExit) as stop:
        report.main(["--case", "nothing of the kind"])
    assert stop.value.code == 2
    assert "nothing of the kind" in capsys.readouterr().err
