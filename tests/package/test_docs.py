"""The Python code in README and docs runs as it is written."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CANDIDATES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [path for path in CANDIDATES if "```python\n" in path.read_text("utf-8")]


def blocks(text):
    """Return (line, code) of each block of Python in a page."""
    found = re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, block.start(1)), block[1]) for block in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names, text = {"__name__": "page"}, page.read_text("utf-8")
    for library in re.findall(r"^<!-- needs: (\w+) -->$", text, re.MULTILINE):  # not every library is installed
        pytest.importorskip(library)
    for line, code in blocks(text):
        # Blank lines in front keep the page's line numbers in a traceback.
        exec(compile("\n" * line + code, page, "exec"), names)


@pytest.mark.parametrize("page", CANDIDATES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_page_reads_well_as_plain_markdown(page):
    """A repository page shows Sphinx's roles, comments and empty links as they are written, and follows relative links."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    assert not re.search(r"\{(func|class|doc|ref|meth|mod)\}`|^% |\[\]\(", text, re.MULTILINE)
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_pages_are_found():
    names = {path.relative_to(ROOT).as_posix() for path in PAGES}
    assert {"README.md", "docs/tutorial.md"} <= names


@pytest.mark.parametrize("script", sorted((ROOT / "docs" / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_gallery_scripts_are_short(script):
    text = script.read_text("utf-8")
    lines = text.count("\n")
    assert lines < 60, f"{script.name} has {lines} lines: more is not one question"
    assert script.name.startswith("plot_"), "the gallery runs only scripts whose name begins with plot_"
    assert "plt.show()" in text, "the script ends without a picture"


def test_gallery_is_found():
    assert len(list((ROOT / "docs" / "examples").glob("plot_*.py"))) >= 12
