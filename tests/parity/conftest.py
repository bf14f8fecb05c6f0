"""Tests of parity that run twice."""

from collections.abc import Iterator

import pytest

from tests.twins import CODES, either


@pytest.fixture(scope="module", params=CODES)
def code(request: pytest.FixtureRequest) -> Iterator[None]:
    """Which of the two codes computes."""
    yield from either(request.param, "twofold.parity.encode")
