"""The C extension, if it was built: the one place that decides between it and its Python twins.

``TWOFOLD_NATIVE=0`` in the environment leaves it out, so that tests and cautious users can compare.
Whoever uses a function of it keeps the twin beside the call; both give identical results.
"""

import importlib
import os
from types import ModuleType


def _load() -> ModuleType | None:
    if os.environ.get("TWOFOLD_NATIVE") == "0":
        return None
    try:
        return importlib.import_module("twofold._native")
    except ImportError:  # not built, or built for another system
        return None


EXTENSION: ModuleType | None = _load()


def raw_memory(size: int) -> bytearray:
    """So many bytes, which may be anything: what is never used of them costs nothing."""
    if EXTENSION is None:
        return bytearray(size)
    memory: bytearray = EXTENSION.raw_memory(size)
    return memory


def keep_memory() -> None:
    """For work on many large buffers: what is freed stays at hand instead of being handed back."""
    if EXTENSION is not None:
        EXTENSION.keep_memory()
