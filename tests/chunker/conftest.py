"""Every test of this folder runs once with the twin in Python and once with each kernel.

Kernels other than the fastest are among the slow tests, for test_chunker_kernels.py compares them
all with the twin anyway.
"""

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from twofold.chunker import cut, zeros
from twofold.native import EXTENSION

KERNELS: tuple[str, ...] = EXTENSION.chunk_kernels() if EXTENSION is not None else ()
WAYS = [
    "python",
    *(pytest.param(name, marks=pytest.mark.slow if n else ()) for n, name in enumerate(KERNELS)),
]


@pytest.fixture(scope="module", autouse=True, params=WAYS)
def _way(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if EXTENSION is None or request.param == "python":
            use(patch, cut._cut_in_python)
            patch.setattr(zeros, "_zero_runs", zeros._zero_runs_in_python)
            patch.setattr(zeros, "_leading_zeros", zeros._leading_zeros_in_python)
            patch.setattr(zeros, "_trailing_zeros", zeros._trailing_zeros_in_python)
        else:
            use(patch, cut._cut_by(partial(EXTENSION.cut, kernel=request.param)))
        yield


def use(patch: pytest.MonkeyPatch, way: Callable[..., list[int]]) -> None:
    """Let ``Chunker.cut`` go this way."""
    patch.setattr(cut, "_cut", way)
