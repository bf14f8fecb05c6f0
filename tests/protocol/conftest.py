"""What the model remembers of states is of no use to other tests, and takes gigabytes."""

import inspect
from collections.abc import Iterator

import pytest

from tests.conftest import give_back

from . import model


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_kept() -> Iterator[None]:
    yield
    for _, function in inspect.getmembers(model, lambda one: hasattr(one, "cache_clear")):
        function.cache_clear()
    give_back()
