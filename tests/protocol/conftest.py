"""What the model remembers of states is of no use to other tests, and takes gigabytes.

The allocator keeps what was freed, too, and each fork of a process with so much of it takes long.
"""

import ctypes
import gc
import inspect
from collections.abc import Iterator

import pytest

from . import model


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_kept() -> Iterator[None]:
    yield
    for _, function in inspect.getmembers(model, lambda one: hasattr(one, "cache_clear")):
        function.cache_clear()
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of the GNU C library
    if trim is not None:
        trim(0)
