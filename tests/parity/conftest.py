"""Tests of parity that run twice: on the Python twin, and on the extension if it was built."""

import sys
from collections.abc import Iterator

import pytest

from twofold.native import EXTENSION
from twofold.parity import encode

CODES = ["twin"] if EXTENSION is None else ["twin", "extension"]


@pytest.fixture(scope="module", params=CODES)
def code(request: pytest.FixtureRequest) -> Iterator[None]:
    """Which of the two codes computes."""
    with pytest.MonkeyPatch.context() as patch:
        chosen = EXTENSION if request.param == "extension" else None
        patch.setattr(sys.modules[encode.__module__], "EXTENSION", chosen)
        yield
