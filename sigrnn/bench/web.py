"""A benchmark's report as one HTML file, with its pictures inside, for light and dark screens."""

from __future__ import annotations

import base64
import re
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

from . import charts, pages

_FOLDER = "pictures"
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }}
table {{ border-collapse: collapse; display: block; font-size: 0.85rem; margin: 1rem 0; overflow-x: auto; }}
th, td {{ border-bottom: 1px solid #8886; padding: 0.25rem 0.5rem; }}
td {{ white-space: nowrap; }}
td:first-child {{ min-width: 11rem; white-space: normal; }}
th:first-child {{ text-align: left; }}
td {{ font-variant-numeric: tabular-nums; }}
pre {{ white-space: pre-wrap; }}
img {{ height: auto; max-width: 100%; }}
</style>
</head>
<body>
{body}</body>
</html>
"""


def web_page(report: pages.Report) -> str:
    """Write the report as a page of HTML that needs no other file.

    Parameters
    ----------
    report : Report
        What was found.

    Returns
    -------
    str
        The page: what `pages.page` says, with the pictures inside.
    """
    from markdown_it import MarkdownIt

    with TemporaryDirectory() as folder:
        pictures = {path.name: path.read_bytes() for path in charts.draw(report, Path(folder))}

    def inside(found: re.Match[str]) -> str:
        return f'src="data:image/svg+xml;base64,{base64.b64encode(pictures[found[1]]).decode()}"'

    text = pages.page(report, _FOLDER)
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(re.sub(r"<!--.*?-->\n*", "", text))
    title = f"Benchmarks of sigrnn, {report.created[:10]}"
    return _PAGE.format(title=escape(title), body=re.sub(rf'src="{_FOLDER}/([\w.-]+)"', inside, body))
