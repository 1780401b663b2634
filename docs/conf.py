"""Settings of the Sphinx site: `sphinx-build -W -n docs docs/_build`, with `-t online` to link to NumPy and SciPy."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import latex2mathml.converter
from docutils import nodes
from docutils.nodes import SkipNode
from sphinx.addnodes import pending_xref
from sphinx.transforms import SphinxTransform
from sphinx.util.math import get_node_equation_number

import sigrnn
import sigrnn.adaptive
from sigrnn._kernels.activation_table import TABLE

sys.path.insert(0, str(Path(__file__).parent))  # for gallery_style

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

autodoc_typehints = "none"  # the docstrings give shapes, too
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
    "reset_modules": ("matplotlib", "gallery_style.apply"),
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "within_subsection_order": "FileNameSortKey",
    "capture_repr": (),  # what is printed, not what the last line of a cell is
}

html_theme = "pydata_sphinx_theme"
html_title = f"sigrnn {version}"
html_theme_options = {
    "logo": {"text": "sigrnn", "image_light": "_static/logo.svg", "image_dark": "_static/logo.svg"},
    "navigation_with_keys": False,
    "navbar_center": [],  # the pages are in the column on the left
    # None for gallery and lecture, whose code needs the width, and benchmarks, whose tables do.
    "secondary_sidebar_items": {pages: ["page-toc"] for pages in ("[!b]*", "howto/*", "theory/*", "generated/*")},
}
html_sidebars = {"**": ["contents.html"]}
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_favicon = "_static/logo.svg"
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


def adapt_source(app, page, source):
    """Fill in the table of activations; links to the scripts of gallery and lecture become links to their pages."""
    text = source[0].replace("<!-- table of activations -->", activations())
    for folder, pages in zip(*(sphinx_gallery_conf[key] for key in ("examples_dirs", "gallery_dirs")), strict=True):
        text = re.sub(rf"\]\(((?:\.\./)?){folder}/(plot_\w+)\.py\)", rf"](\1{pages}/\2.rst)", text)
        text = re.sub(rf"\]\(((?:\.\./)?){folder}\)", rf"](\1{pages}/index.rst)", text)
    if page.startswith(tuple(sphinx_gallery_conf["gallery_dirs"])):
        text = re.sub(r"^ +assert .*\n", "", text, flags=re.MULTILINE)  # they are for us
    source[0] = text


NAMES = {
    name: f"{module.__name__}.{name}"
    for module in (sigrnn.adaptive, sigrnn)
    for name in module.__all__
    if not isinstance(getattr(module, name), ModuleType)
}


class LinkNames(SphinxTransform):
    """In Markdown pages `lfilter` and `FIR(8)` are links to the API: plain Markdown for whoever reads the source."""

    default_priority = 400

    def apply(self, **kwargs):
        if Path(self.env.doc2path(self.env.docname)).suffix != ".md" or self.env.docname in ("changelog", "design"):
            return
        for literal in list(self.document.findall(nodes.literal)):
            name = re.fullmatch(r"(?:sigrnn\.)?(?:adaptive\.)?(\w+)(?:\(.*\))?", literal.astext())
            linked = isinstance(literal.parent, (nodes.reference, nodes.title, pending_xref))
            if name and name[1] in NAMES and not linked:
                target = NAMES[name[1]]
                xref = pending_xref(reftype="obj", refdomain="py", reftarget=target, refexplicit=True, refwarn=False)
                xref["refdoc"] = self.env.docname
                literal.replace_self(xref)
                xref += literal


def setup(app):
    app.connect("source-read", adapt_source)
    app.add_transform(LinkNames)
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
