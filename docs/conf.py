"""Settings of the Sphinx site: `sphinx-build -W -n docs docs/_build`, with `-t online` to link to NumPy and SciPy."""

import importlib.util

import latex2mathml.converter
from docutils.nodes import SkipNode
from sphinx.util.math import get_node_equation_number

import sigrnn
from sigrnn._kernels.activation_table import TABLE

project = "sigrnn"
author = "sigrnn developers"
copyright = "sigrnn developers"
version = release = sigrnn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "examples", "lecture", "gallery/*.ipynb", "chapters/*.ipynb"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 2

autodoc_typehints = "none"  # the docstrings say more than the hints
autosummary_generate = True
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False
templates_path = ["_templates"]

sphinx_gallery_conf = {
    "examples_dirs": ["examples", "lecture"],
    "gallery_dirs": ["gallery", "chapters"],
    # PyTorch is large, and may not be installed; sphinx-gallery's own pattern otherwise.
    "ignore_pattern": r"__init__\.py" if importlib.util.find_spec("torch") else r"__init__\.py|plot_torch_",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "within_subsection_order": "FileNameSortKey",
    "capture_repr": (),  # what is printed, not what the last line of a cell is
}

html_theme = "pydata_sphinx_theme"
html_title = f"sigrnn {version}"
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "navbar_center": [],  # the pages are in the column on the left
    # None for gallery and lecture, whose code needs the width, and benchmarks, whose tables do.
    "secondary_sidebar_items": {pages: ["page-toc"] for pages in ("[!b]*", "howto/*", "theory/*", "generated/*")},
}
html_sidebars = {"**": ["contents.html"]}
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_math_renderer = "mathml"  # browsers draw it themselves: no scripts from the network


def mathml(text, display):
    lines = r"\\".join(text.split("\n\n"))
    return latex2mathml.converter.convert(
        rf"\begin{{split}}{lines}\end{{split}}" if r"\\" in lines else lines, display=display
    )


def inline_formula(writer, node):
    writer.body.append(mathml(node.astext(), "inline"))
    raise SkipNode


def formula(writer, node):
    writer.body.append(writer.starttag(node, "div", CLASS="formula"))  # with the name that links use
    writer.body.append(mathml(node.astext(), "block"))
    if node["number"]:
        writer.body.append(f'<span class="eqno">({get_node_equation_number(writer, node)})</span>')
    writer.body.append("</div>\n")
    raise SkipNode


def activations():
    """The table of activations, in Markdown."""
    head = "| name | $g(e)$ | values | largest slope |\n|---|---|---|---|\n"
    return head + "\n".join(
        f"| `'{name}'` | {row.formula} | {row.values} | {row.slope} |" for name, row in TABLE.items()
    )


def fill_in_tables(app, page, source):
    source[0] = source[0].replace("<!-- table of activations -->", activations())


def setup(app):
    app.connect("source-read", fill_in_tables)
    app.add_html_math_renderer("mathml", (inline_formula, None), (formula, None))


# The inventories of other projects need a network; without them their names are left unlinked.
if tags.has("online"):  # noqa: F821  (Sphinx puts `tags` here)
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "numpy": ("https://numpy.org/doc/stable", None),
        "scipy": ("https://docs.scipy.org/doc/scipy", None),
        "torch": ("https://docs.pytorch.org/docs/stable", None),
    }
else:
    nitpick_ignore_regex = [(r"py:.*", r"(numpy|scipy|torch)\..*")]
