"""What Python runs at its start where this folder is on PYTHONPATH: patch scipy.signal if and when it is imported.

Costs a fraction of a millisecond in processes that never do. The environment's own `sitecustomize` runs as well.
"""

import os
import sys
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import module_from_spec

HERE = os.path.dirname(os.path.abspath(__file__))


def patch() -> None:
    """SIGRNN_PATCH is read where sigrnn is imported."""
    try:
        import_module("sigrnn")
    except ImportError as error:
        print(f"SIGRNN_PATCH is set, but sigrnn cannot be imported: {error}", file=sys.stderr)


if os.environ.get("SIGRNN_PATCH", "0") not in ("", "0"):
    from sigrnn_hook import AfterImport  # type: ignore[import-not-found]

    AfterImport("scipy.signal", patch)

_spec = PathFinder.find_spec("sitecustomize", [path for path in sys.path if os.path.abspath(path) != HERE])
if _spec is not None and _spec.loader is not None:
    sys.modules["sitecustomize"] = _next = module_from_spec(_spec)
    _spec.loader.exec_module(_next)
