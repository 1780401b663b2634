"""All is in setup.cfg; with SIGRNN_MACHINE_CODE=1 a wheel gets machine code, too (docs/howto/machine_code.md)."""

import os
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

if os.environ.get("SIGRNN_MACHINE_CODE", "0") in ("", "0"):
    setup()
else:
    sys.path.insert(0, str(Path(__file__).resolve().parent / "machine_code"))
    try:
        from extension import Build
    finally:
        del sys.path[0]

    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))  # has no stable interface yet
    limited = {} if free_threaded else {"py_limited_api": True, "define_macros": [("Py_LIMITED_API", "0x030B0000")]}
    setup(
        ext_modules=[Extension("sigrnn._machine_code", [], **limited)],
        cmdclass={"build_ext": Build},
        options={} if free_threaded else {"bdist_wheel": {"py_limited_api": "cp311"}},
        # Without scipy, NumPy and Numba the kernels cannot be compiled; they are asked for in a build of this kind alone.
        setup_requires=["numba>=0.68", "numpy>=2", "scipy>=1.17"],
    )
