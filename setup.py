"""The optional C extension: built where a compiler is, passed over in silence where none is.

Everything else is declared in pyproject.toml. The limited API makes one binary serve all Pythons
from 3.11 on.
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup

SOURCES = sorted(str(path) for path in Path("src/native").glob("*.c"))
UNIX = ["-O3", "-std=c11", "-fno-strict-aliasing", "-Wall", "-Wextra", "-Werror=implicit"]
FLAGS = ["/O2", "/std:c11"] if sys.platform == "win32" else UNIX

NATIVE = Extension(
    "twofold._native",
    SOURCES,
    depends=sorted(str(path) for path in Path("src/native").glob("*.h")),
    define_macros=[("Py_LIMITED_API", "0x030B0000")],
    extra_compile_args=FLAGS,
    py_limited_api=True,
    optional=True,
)

setup(ext_modules=[] if os.environ.get("TWOFOLD_BUILD_NATIVE") == "0" else [NATIVE])
