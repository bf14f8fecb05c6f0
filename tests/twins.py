"""Running tests on the Python twin and on the extension, if it was built."""

import sys
from collections.abc import Iterator

import pytest

from twofold.native import EXTENSION

CODES = ["twin"] if EXTENSION is None else ["twin", "extension"]

needs_extension = pytest.mark.skipif(EXTENSION is None, reason="the extension is not built")


def choose(patch: pytest.MonkeyPatch, code: str, *modules: str) -> None:
    """Make modules that have a twin use one of the codes."""
    for module in modules:
        patch.setattr(sys.modules[module], "EXTENSION", EXTENSION if code == "extension" else None)


def either(code: str, *modules: str) -> Iterator[None]:
    """The body of a fixture: ``choose``, and back again."""
    with pytest.MonkeyPatch.context() as patch:
        choose(patch, code, *modules)
        yield


def kernels(constant: str) -> tuple[str, ...]:
    """Kernels that run here, as one of the extension's constants names them; the best one first."""
    return () if EXTENSION is None else tuple(getattr(EXTENSION, constant))
