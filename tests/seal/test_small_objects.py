"""Sealed small objects: no damage goes unnoticed, and the second copy makes it harmless."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import FormatError, NewerFormat
from twofold.format.envelope import BODY_LIMIT, HEADER, padme
from twofold.format.names import Kind
from twofold.seal import Keyring

REPOSITORY, OBJECT = b"r" * 16, b"o" * 16
REFUSED = (FormatError, NewerFormat)


@pytest.fixture(params=[1, 2], ids=["AES-GCM", "ChaCha20-Poly1305"])
def keys(request: pytest.FixtureRequest) -> Keyring:
    """A keyring for each cipher."""
    return Keyring(REPOSITORY, [b"m" * 32], b"d" * 32, request.param)


def copy_of(file: bytes) -> bytes:
    """One copy out of a file that is not longer than two pages."""
    return file[4096:]


@given(st.binary(max_size=9000), st.sampled_from([k for k in Kind if k.name.find("KEY") < 0]))
def test_small_objects_round_trip(contents: bytes, kind: Kind) -> None:
    """Contents come back from the file and from each half of it; equal copies are healthy."""
    keys = Keyring(REPOSITORY, [b"m" * 32], b"d" * 32, 1)
    file = keys.seal_small(kind, OBJECT, contents)
    assert keys.open_small(kind, OBJECT, file) == (contents, True)
    assert keys.open_small(kind, None, file) == (contents, True)


def test_every_flipped_bit_is_noticed_and_healed(keys: Keyring) -> None:
    """In one copy alone every bit matters; in a file the other copy answers, and it is told."""
    contents = b"some text that is stored plain"
    file = keys.seal_small(Kind.ROOT, OBJECT, contents)
    copy = copy_of(file)
    assert keys.open_small(Kind.ROOT, OBJECT, copy)[0] == contents
    for bit in range(len(copy) * 8):
        flipped = bytearray(copy)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(REFUSED):
            keys.open_small(Kind.ROOT, OBJECT, bytes(flipped))
        for start in (0, 4096):
            damaged = bytearray(file)
            damaged[start + bit // 8] ^= 1 << bit % 8
            assert keys.open_small(Kind.ROOT, OBJECT, bytes(damaged)) == (contents, False)


def test_damage_between_the_copies_is_told(keys: Keyring) -> None:
    """The zeros between the copies hide nothing."""
    file = bytearray(keys.seal_small(Kind.ROOT, OBJECT, b"text"))
    file[2000] = 1
    assert keys.open_small(Kind.ROOT, OBJECT, bytes(file)) == (b"text", False)


def test_every_truncation_is_noticed(keys: Keyring) -> None:
    """Less than a copy is refused; less than two copies is read and told."""
    file = keys.seal_small(Kind.ROOT, OBJECT, b"text" * 10)
    copy = len(copy_of(file))
    for length in range(copy):
        with pytest.raises(FormatError):
            keys.open_small(Kind.ROOT, OBJECT, file[:length])
    for length in (*range(copy, len(file), 61), len(file) - 1):
        assert keys.open_small(Kind.ROOT, OBJECT, file[:length]) == (b"text" * 10, False)
    assert keys.open_small(Kind.ROOT, OBJECT, file + b"\0") == (b"text" * 10, False)


def test_any_one_bad_sector_is_harmless() -> None:
    """Each 4 KiB sector of larger objects in turn is zeros, ones or noise."""
    keys = Keyring(REPOSITORY, [b"m" * 32], b"d" * 32, 1)
    rng = random.Random(3)
    for size in (100, 3900, 4000, 4096, 9000, 30_000):
        contents = rng.randbytes(size)
        file = keys.seal_small(Kind.DATA_INDEX, OBJECT, contents)
        for start in range(0, len(file), 4096):
            length = min(4096, len(file) - start)
            for junk in (bytes(length), b"\xff" * length, rng.randbytes(length)):
                damaged = file[:start] + junk + file[start + length :]
                assert keys.open_small(Kind.DATA_INDEX, OBJECT, damaged) == (contents, False)


def test_a_flipped_format_number_is_damage_and_not_a_newer_program(keys: Keyring) -> None:
    """One bad bit in the format number of one copy must not lock anybody out; in both it does."""
    file = keys.seal_small(Kind.ROOT, OBJECT, b"text")
    damaged = bytearray(file)
    damaged[8] = 1
    assert keys.open_small(Kind.ROOT, OBJECT, bytes(damaged)) == (b"text", False)
    damaged[4096 + 8] = 1
    with pytest.raises(FormatError):
        keys.open_small(Kind.ROOT, OBJECT, bytes(damaged))
    damaged[10] = damaged[4096 + 10] = Kind.CONFIG
    with pytest.raises(NewerFormat):
        keys.open_small(Kind.CONFIG, OBJECT, bytes(damaged))


def test_objects_cannot_pass_for_others(keys: Keyring) -> None:
    """Renamed, of another kind, of another repository, under another master: refused."""
    file = keys.seal_small(Kind.ROOT, OBJECT, b"text")
    for kind, ident in ((Kind.SESSION, OBJECT), (Kind.CONFIG, OBJECT), (Kind.ROOT, b"x" * 16)):
        with pytest.raises(FormatError):
            keys.open_small(kind, ident, file)
    for other in (
        Keyring(b"x" * 16, [b"m" * 32], b"d" * 32, 1),
        Keyring(REPOSITORY, [b"x" * 32], b"d" * 32, 1),
    ):
        with pytest.raises(FormatError):
            other.open_small(Kind.ROOT, OBJECT, file)


def test_headers_cannot_be_swapped_between_objects(keys: Keyring) -> None:
    """A header with another object's body opens nothing, even of the same kind and length."""
    one = copy_of(keys.seal_small(Kind.ROOT, OBJECT, b"one!"))
    two = copy_of(keys.seal_small(Kind.ROOT, OBJECT, b"two!"))
    for mixed in (one[: HEADER.size] + two[HEADER.size :], two[: HEADER.size] + one[HEADER.size :]):
        with pytest.raises(FormatError):
            keys.open_small(Kind.ROOT, OBJECT, mixed)


def test_copies_of_two_writes_are_told(keys: Keyring) -> None:
    """Two whole copies that are not the same object: readable, not healthy."""
    one = keys.seal_small(Kind.ROOT, OBJECT, b"one!")
    two = keys.seal_small(Kind.ROOT, OBJECT, b"two!")
    assert keys.open_small(Kind.ROOT, OBJECT, one[:4096] + two[4096:]) == (b"one!", False)


@given(st.integers(0, 5000))
def test_lengths_are_hidden(length: int) -> None:
    """The stored size is a Padmé length plus a constant, whatever the contents."""
    keys = Keyring(REPOSITORY, [b"m" * 32], b"d" * 32, 1)
    contents = random.Random(length).randbytes(length)
    file = keys.seal_small(Kind.ROOT, OBJECT, contents)
    gap = -(-len(file) // 8192) * 4096
    plain = len(file) - gap - HEADER.size - 16
    assert plain == padme(plain)
    assert plain >= length


def test_what_no_reader_takes_is_not_written() -> None:
    """Contents beyond 16 MiB are refused when written; index objects may be longer."""
    keys = Keyring(REPOSITORY, [b"m" * 32], b"d" * 32, 1)
    with pytest.raises(FormatError):
        keys.seal_small(Kind.ROOT, OBJECT, bytes(BODY_LIMIT + 1))
    index = bytes(BODY_LIMIT + 1)
    assert keys.open_small(
        Kind.DATA_INDEX, OBJECT, keys.seal_small(Kind.DATA_INDEX, OBJECT, index)
    ) == (index, True)


def test_every_write_has_its_own_salt(keys: Keyring) -> None:
    """The same object written twice has nothing in common but what names it."""
    one = copy_of(keys.seal_small(Kind.ROOT, OBJECT, b"text"))
    two = copy_of(keys.seal_small(Kind.ROOT, OBJECT, b"text"))
    assert one[:48] == two[:48]
    assert one[48:80] != two[48:80]
    assert one[HEADER.size :] != two[HEADER.size :]


@pytest.mark.parametrize("length", range(17))
def test_messages_shorter_than_a_tag_are_refused(keys: Keyring, length: int) -> None:
    """No length of ciphertext makes the cipher fail in any other way."""
    sealed = keys.object_seal(keys.new_header(Kind.ROOT, OBJECT))
    with pytest.raises(FormatError):
        sealed.open(0, bytes(length))
