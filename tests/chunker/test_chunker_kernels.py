"""Every kernel of the extension decides as AES does, wherever a window lies, and as the twin does.

``straight_cut`` follows the specification one byte at a time, with the values of all windows taken
from a library's AES; thresholds are free there, so that one test can ask for many decisions.
"""

import random
import sys
from array import array
from threading import Thread

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from tests.chunker.conftest import KERNELS
from tests.chunker.test_chunker_cut import KEY, contents, parameters
from tests.chunker.test_chunker_vectors import (
    DEFAULT_ENDS,
    PLAIN,
    PLAIN_ENDS,
    TEXT_ENDS,
    TINY,
    TINY_ENDS,
    lines,
    material,
)
from twofold.chunker import Chunker, ChunkerParams, cut
from twofold.native import EXTENSION

pytestmark = pytest.mark.skipif(not KERNELS, reason="the extension is not built")
every_kernel = pytest.mark.parametrize("kernel", KERNELS)

LARGEST = 2**32 - 1  # threshold; all values but one are below


@pytest.fixture(scope="module", autouse=True)
def _way() -> None:
    """Nothing here asks which way was chosen: once is enough."""


Pair = tuple[int, int]
Sizes = tuple[int, int, int]


def native(
    sizes: Sizes,
    limits: Pair,
    data: bytes | bytearray | memoryview,
    final: bool,
    kernel: str | None = None,
    key: bytes = KEY,
) -> list[int]:
    assert EXTENSION is not None
    ends: list[int] = EXTENSION.cut(key, *sizes, *limits, data, final, kernel=kernel)
    return ends


def native_cut(kernel: str | None, params: ChunkerParams, data: bytes, final: bool) -> list[int]:
    sizes = params.minimum, params.normal, params.maximum
    return native(sizes, (params.strict, params.loose), data, final, kernel)


def straight_cut(key: bytes, sizes: Sizes, thresholds: Pair, data: bytes) -> list[int]:
    minimum, normal, maximum = sizes
    windows = b"".join(data[i - 15 : i + 1] for i in range(15, len(data)))
    encrypted = Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(windows)
    values = [int.from_bytes(encrypted[16 * i :][:4], "little") for i in range(len(windows) // 16)]
    ends, start = [], 0
    for i in range(len(data)):
        length = i + 1 - start
        threshold = 0 if length < minimum else thresholds[length >= normal]
        if length == maximum or i + 1 == len(data) or (threshold and values[i - 15] < threshold):
            ends.append(i + 1)
            start = i + 1
    return ends


thresholds = st.integers(1, LARGEST) | st.integers(0, 31).map(lambda bit: 1 << bit)


@every_kernel
@given(
    st.binary(min_size=16, max_size=16), parameters(), st.tuples(thresholds, thresholds), contents()
)
def test_many_decisions_follow_aes(
    kernel: str, key: bytes, params: ChunkerParams, limits: Pair, data: bytes
) -> None:
    sizes = params.minimum, params.normal, params.maximum
    wanted = straight_cut(key, sizes, limits, data)
    assert native(sizes, limits, data, True, kernel, key) == wanted


@every_kernel
@given(parameters(), contents(30_000), st.booleans())
def test_kernels_and_twin_are_equal(
    kernel: str, params: ChunkerParams, data: bytes, final: bool
) -> None:
    wanted = cut._cut_in_python(KEY, params, memoryview(data), final)
    assert native_cut(kernel, params, data, final) == wanted


@every_kernel
@pytest.mark.parametrize("value", [0, 1, 5, 0xFF, 0x100, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000])
def test_a_window_is_found_wherever_it_lies(kernel: str, value: int) -> None:
    """At every place of a few whole steps and rests; its value is just below the threshold."""
    window = (
        Cipher(algorithms.AES(KEY), modes.ECB())
        .decryptor()
        .update(value.to_bytes(4, "little") + b"a tail  here")
    )
    filler = random.Random(7).randbytes(300)
    for size in (16, 17, 63, 78, 79, 80, 143, 300):
        for at in range(15, size):
            data = filler[: at - 15] + window + filler[at + 1 : size]
            assert len(data) == size
            wanted = straight_cut(KEY, (16, 2000, 3000), (value + 1, 1), data)
            assert native((16, 2000, 3000), (value + 1, 1), data, True, kernel) == wanted
            if value < 5:
                assert wanted[:2] == ([at + 1, size] if at + 1 < size else [size])


@every_kernel
def test_thresholds_are_exclusive_at_both_ends(kernel: str) -> None:
    decryptor = Cipher(algorithms.AES(KEY), modes.ECB()).decryptor()
    for value in (0, LARGEST - 1, LARGEST):
        data = decryptor.update(value.to_bytes(4, "little") + bytes(12))
        for threshold in (1, 2, LARGEST - 1, LARGEST):
            wanted = [16] if value < threshold else []
            assert native((16, 40, 100), (threshold, threshold), data, False, kernel)[:1] == wanted


@every_kernel
@pytest.mark.parametrize(
    ("params", "data", "ends"),
    [
        (ChunkerParams(), material(12 << 20), DEFAULT_ENDS),
        (TINY, material(8192), TINY_ENDS),
        (PLAIN, material(1000), PLAIN_ENDS),
        (TINY, lines(), TEXT_ENDS),
    ],
    ids=["default", "tiny", "plain", "text"],
)
def test_pinned_cuts(kernel: str, params: ChunkerParams, data: bytes, ends: list[int]) -> None:
    assert native_cut(kernel, params, data, True) == ends


@every_kernel
def test_long_repeats_and_zeros(kernel: str) -> None:
    params = ChunkerParams(1000, 3000, 20_000, 3)
    part = random.Random(8).randbytes(5000)
    for data in (bytes(200_000), b"ab" * 100_000, part * 40, part[:17] * 9000 + bytes(9000)):
        wanted = cut._cut_in_python(KEY, params, memoryview(data), True)
        assert native_cut(kernel, params, data, True) == wanted


@every_kernel
def test_sizes_near_the_end_of_the_number_range(kernel: str) -> None:
    vast = sys.maxsize
    data = material(5000)
    assert native((vast - 2, vast - 1, vast), (1, 1), data, False, kernel) == []
    assert native((vast - 2, vast - 1, vast), (1, 1), data, True, kernel) == [5000]
    wanted = straight_cut(KEY, (16, 5001, 5002), (1 << 24, 1), data)
    assert native((16, vast - 1, vast), (1 << 24, 1), data, True, kernel) == wanted


@pytest.mark.parametrize(
    ("sizes", "limits", "key"),
    [
        ((15, 40, 100), (1, 1), KEY),
        ((-1, 40, 100), (1, 1), KEY),
        ((40, 40, 100), (1, 1), KEY),
        ((16, 40, 40), (1, 1), KEY),
        ((16, 40, 100), (0, 1), KEY),
        ((16, 40, 100), (1, 0), KEY),
        ((16, 40, 100), (1, 2**32), KEY),
        ((16, 40, 100), (1, 1), KEY[:15]),
        ((16, 40, 100), (1, 1), KEY * 2),
    ],
)
def test_impossible_arguments_are_refused(sizes: Sizes, limits: Pair, key: bytes) -> None:
    with pytest.raises(ValueError, match=r"must be|has 16 bytes"):
        native(sizes, limits, b"x" * 200, True, None, key)


def test_numbers_out_of_range_and_unknown_kernels_are_refused() -> None:
    with pytest.raises(OverflowError):
        native((16, 40, 1 << 64), (1, 1), b"", True)
    with pytest.raises(ValueError, match="kernel"):
        native((16, 40, 100), (1, 1), b"", True, "abacus")


def test_what_is_no_run_of_bytes_is_refused_as_by_the_twin() -> None:
    """Through ``Chunker`` the twin's refusal comes first; the functions themselves refuse too."""
    gaps = memoryview(b"ab" * 100)[::2]
    with pytest.raises(TypeError, match="contiguous"):
        Chunker(KEY, TINY).cut(gaps, True)
    with pytest.raises(BufferError, match="contiguous"):
        native((16, 40, 100), (1, 1), gaps, True)
    assert EXTENSION is not None
    for function in (EXTENSION.zero_runs, EXTENSION.leading_zeros, EXTENSION.trailing_zeros):
        with pytest.raises(BufferError, match="contiguous"):
            function(gaps)
        with pytest.raises(TypeError, match="bytes-like"):
            function("text")
    words = array("I", range(1000))
    assert Chunker(KEY, TINY).cut(memoryview(words), True) == Chunker(KEY, TINY).cut(
        words.tobytes(), True
    )


def test_the_portable_kernel_is_always_there_and_last() -> None:
    assert KERNELS[-1] == "portable"
    assert native_cut(None, TINY, material(8192), True) == TINY_ENDS


@pytest.mark.slow
def test_other_threads_run_meanwhile() -> None:
    """A window put at the end of the data once the search is on is found.

    Threads are never made to take turns here, so this one goes on only when the search lets it.
    """
    data = bytearray(16 << 20)
    sizes = 16, len(data) - 1, len(data)
    window = Cipher(algorithms.AES(KEY), modes.ECB()).decryptor().update(bytes(16))
    ends: list[list[int]] = []
    thread = Thread(target=lambda: ends.append(native(sizes, (1, 1), data, False, "portable")))
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)
    try:
        thread.start()
        data[-36:-20] = window
        thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert ends == [[len(data) - 20]]
