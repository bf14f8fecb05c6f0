"""The extension's Argon2id is that of RFC 9106, with any numbers, kernel and number of threads."""

import mmap

import pytest
from argon2.low_level import Type, hash_secret_raw
from hypothesis import given
from hypothesis import strategies as st

from tests.twins import kernels
from twofold.format.keyslot import ARGON2ID, SlotKind, SlotParameters
from twofold.native import EXTENSION
from twofold.repository import argon2id
from twofold.repository.argon2id import Inputs, by_lanes, by_library

KERNELS = kernels("ARGON2_KERNELS")
SALT = b"salt" * 4


def numbers(memory_kib: int, passes: int, lanes: int) -> SlotParameters:
    return SlotParameters(ARGON2ID, SlotKind.PASSWORD, memory_kib, passes, lanes)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_vector_of_the_rfc(kernel: str) -> None:
    """Section 5.3."""
    inputs = Inputs(b"\1" * 32, b"\2" * 16, b"\3" * 8, b"\4" * 12)
    tag = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
    assert by_lanes(numbers(32, 3, 4), inputs, kernel).hex() == tag


@pytest.mark.parametrize("kernel", KERNELS)
@given(
    secret=st.binary(max_size=200),
    passes=st.integers(1, 4),
    lanes=st.integers(1, 9),
    more=st.integers(0, 700),
)
def test_any_numbers(kernel: str, secret: bytes, passes: int, lanes: int, more: int) -> None:
    memory = 8 * lanes + more
    wanted = hash_secret_raw(secret, SALT, passes, memory, lanes, 32, Type.ID)
    assert by_lanes(numbers(memory, passes, lanes), Inputs(secret, SALT), kernel) == wanted


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("threads", [0, 1, 2, 3, 4, 8, 9, 1000])
def test_any_number_of_threads(kernel: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(argon2id, "_threads", lambda _: threads)
    for lanes in (1, 4, 20):
        wanted = hash_secret_raw(b"secret", SALT, 2, 1000, lanes, 32, Type.ID)
        assert by_lanes(numbers(1000, 2, lanes), Inputs(b"secret", SALT), kernel) == wanted


def test_what_new_slots_have() -> None:
    """64 MiB, 3 passes, 4 lanes, where segments have many blocks of addresses."""
    wanted = hash_secret_raw(b"secret", SALT, 3, 1 << 16, 4, 32, Type.ID)
    assert argon2id.argon2id(numbers(1 << 16, 3, 4), b"secret", SALT) == wanted
    assert by_library(numbers(1 << 16, 3, 4), b"secret", SALT) == wanted


def test_without_lanes_the_library_makes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(argon2id, "EXTENSION", None)
    wanted = hash_secret_raw(b"secret", SALT, 2, 100, 3, 32, Type.ID)
    assert argon2id.argon2id(numbers(100, 2, 3), b"secret", SALT) == wanted


def test_too_little_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> mmap.mmap:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(mmap, "mmap", refuse)
    with pytest.raises(MemoryError):
        by_lanes(numbers(64, 1, 1), Inputs(b"secret", SALT))


@pytest.mark.skipif(not KERNELS, reason="no lanes here")
@pytest.mark.parametrize(
    ("size", "passes", "lanes"),
    [(8, 0, 1), (8, 1, 0), (7, 1, 1), (0, 1, 1), (9, 1, 1), (8, 1, 2), (12, 1, 2), (8, 1, 1 << 31)],
)
def test_impossible_numbers_are_refused(size: int, passes: int, lanes: int) -> None:
    assert EXTENSION is not None
    with pytest.raises(ValueError, match="no memory of Argon2"):
        EXTENSION.argon2id_fill(bytearray(size << 10), passes, lanes, 1)
