"""Settings of the Sphinx site: `sphinx-build -W -n docs docs/_build`, with `-t online` to link to NumPy and SciPy."""

import sigrnn

project = "sigrnn"
author = "sigrnn developers"
copyright = "sigrnn developers"
version = release = sigrnn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
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
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "within_subsection_order": "FileNameSortKey",
}

html_theme = "pydata_sphinx_theme"
html_title = f"sigrnn {version}"
html_theme_options = {"show_prev_next": False, "navigation_with_keys": False}

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
