"""Idioms that the project does not use, with the plain words that replace them; CI refuses them in every text file."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORDS = {
    r"beside": "next to, in addition to",
    r"so many": "name the number: every k-th step",
    r"such as (is|are|was|were)": "those that",
    r"says|said|tells?|told|speaks? of": "is, gives, states, prints",
    r"shall": "should, must, or the present tense",
    r"learnt": "learned",
    r"for ever": "indefinitely",
    r"what else|what is there|all else": "the rest",
    r"(hand|hands|handed) (on|over|out|back)": "pass on, return",
    r"sooner": "earlier, faster",
    r"doors?|floors?": "function, layer, lower bound",
    r"a room of|rooms? for": "module, space for",
    r"on (the|its|their) way|gives? way|ways? back": "while, saturate, feedback",
    r"turned round|the other way round": "reversed, conversely",
    r"put out": "output",
    r"is no (model|number|window|array|list|function|filter|name|file)": "is not a",
    r"are over": "are completed",
    r"knows? (nothing|of)": "does not depend on",
    r"as it stands": "unchanged",
    r"mends?|mended": "fix",
}
PATTERN = re.compile(rf"\b({'|'.join(WORDS)})\b", re.IGNORECASE)
FOLDERS = ("sigrnn", "docs", "bench", "tests", ".ci", ".github")
# Notebooks and pages made by sphinx-gallery.
LEFT_OUT = (
    "LICENSE",
    "docs/_build",
    "docs/chapters",
    "docs/gallery/",
    "docs/generated",
    "tests/package/test_words.py",
)
SUFFIXES = {".py", ".md", ".rst", ".yml", ".yaml", ".toml", ".cfg", ".cff", ""}


def texts():
    """Names of all files with prose: those in the folders above, and those next to setup.cfg."""
    inside = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    for path in (*inside, *ROOT.glob("*")):
        name = path.relative_to(ROOT).as_posix()
        if path.suffix in SUFFIXES and path.is_file() and not name.startswith((".git/", *LEFT_OUT)):
            yield name


def prose(code):
    """Comments and strings of more than one word of a Python file, as (line, text)."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def hits(name, text):
    """Words of the list in a file, with their lines; a line break within them does not hide them."""
    for start, part in prose(text) if name.endswith(".py") else [(1, text)]:
        for hit in PATTERN.finditer(re.sub(r"\s", " ", part)):
            yield start + part.count("\n", 0, hit.start()), hit[0]


@pytest.mark.parametrize("name", sorted(texts()))
def test_words_of_the_old_idiom_are_gone(name):
    found = [f"line {line}: {word!r}" for line, word in hits(name, (ROOT / name).read_text("utf-8"))]
    assert not found, f"{name}: {', '.join(found)}; see WORDS in tests/package/test_words.py"


def test_words_are_found_in_prose_only():
    code = '"""He says\n\nfor ever."""\nlearnt = beside("says")  # so many\n'
    assert list(hits("a.py", code)) == [(1, "says"), (3, "for ever"), (4, "so many")]
    assert list(hits("a.md", "that\nis no\nfilter")) == [(2, "is no filter")]
