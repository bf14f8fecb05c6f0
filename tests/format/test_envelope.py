"""Headers and small objects: exact round trips, every truncation, Padmé, and the second copy."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import FormatError, NewerFormat
from twofold.format import envelope
from twofold.format.envelope import (
    ALIGNMENT,
    BODY,
    HEADER,
    Header,
    decode_body,
    encode_body,
    mirror,
    padme,
    second_copy_start,
)
from twofold.format.names import Kind

from . import strategies as own

SAMPLE = Header(Kind.ROOT, 1, 0, b"r" * 16, b"o" * 16, b"s" * 32, 1000)


@given(own.HEADER)
def test_headers_round_trip(header: Header) -> None:
    """Nothing of a header is lost, and it has its 96 bytes."""
    data = header.encode()
    assert len(data) == 96
    assert Header.decode(data) == header
    assert Header.decode(data + b"more") == header


def test_a_header_cut_short_is_refused() -> None:
    """Every truncation is told."""
    data = SAMPLE.encode()
    for length in range(len(data)):
        with pytest.raises(FormatError):
            Header.decode(data[:length])


@given(own.HEADER, st.integers(0, 96 * 8 - 1))
def test_no_bit_of_a_header_is_overlooked(header: Header, bit: int) -> None:
    """A flipped bit is refused or shows in the bytes that are authenticated, never dropped."""
    data = bytearray(header.encode())
    data[bit // 8] ^= 1 << bit % 8
    try:
        read = Header.decode(data)
    except (FormatError, NewerFormat):
        return
    assert read.encode() == data != header.encode()


@pytest.mark.parametrize(
    ("offset", "value", "error"),
    [
        (0, b"\x88", FormatError),
        (8, b"\x01\x00", FormatError),
        (8, b"\xff\xff", FormatError),
        (8, b"\x01\x00\x01", NewerFormat),
        (10, b"\x00", FormatError),
        (10, b"\x0b", FormatError),
        (11, b"\x00", FormatError),
        (11, b"\x03", FormatError),
        (80, b"\x01", FormatError),
        (81, b"\x01", FormatError),
        (83, b"\x01", FormatError),
        (84, b"\x20", FormatError),
    ],
)
def test_headers_of_strangers_are_refused(
    offset: int, value: bytes, error: type[Exception]
) -> None:
    """Other magic, number, kind or cipher, wrapped keys, reserved bytes."""
    data = bytearray(SAMPLE.encode())
    data[offset : offset + len(value)] = value
    with pytest.raises(error):
        Header.decode(data)


def padme_by_the_book(length: int) -> int:
    """Padmé as the PURBs paper writes it, in floating point where that is exact."""
    exponent = math.floor(math.log2(length))
    significant = math.floor(math.log2(exponent)) + 1
    unit = 2 ** (exponent - significant)
    return math.ceil(length / unit) * unit if unit >= 1 else length


def test_padme_is_the_published_function() -> None:
    """Equal to the paper's formula on every small length."""
    for length in range(2, 20_000):
        assert padme(length) == padme_by_the_book(length), length
    assert [padme(n) for n in (0, 1, 9, 129)] == [0, 1, 10, 144]


@given(st.integers(2, 2**48))
def test_padme_hides_lengths_cheaply(length: int) -> None:
    """At most 12 % more, stable when repeated, ordered, and few low bits survive."""
    padded = padme(length)
    assert length <= padded <= length * 1.12
    assert padme(padded) == padded
    assert padme(length + 1) >= padded
    exponent = length.bit_length() - 1
    assert padded % (1 << max(0, exponent - exponent.bit_length())) == 0


def test_padme_leaves_few_lengths() -> None:
    """A million lengths become three hundred."""
    assert len({padme(length) for length in range(2**20)}) == 301


@given(st.binary(max_size=3000) | st.integers(0, 100_000).map(bytes))
def test_bodies_round_trip(contents: bytes) -> None:
    """Contents come back; the plaintext is padded and the padding is zeros."""
    plain = encode_body(contents, 1 << 20)
    assert decode_body(plain, 1 << 20) == contents
    assert len(plain) == padme(len(plain))
    encoding, stored, raw = BODY.read(plain)
    assert raw == len(contents)
    assert encoding in (0, 1)
    assert not any(plain[BODY.size + stored :])


def test_a_body_cut_short_is_refused() -> None:
    """Every truncation that takes away contents is told."""
    for contents in (b"abc" * 11, bytes(5000)):
        plain = encode_body(contents, 1 << 20)
        end = BODY.size + BODY.read(plain)[1]
        for length in range(end):
            with pytest.raises(FormatError):
                decode_body(plain[:length], 1 << 20)
        assert decode_body(plain[:end], 1 << 20) == contents


def test_bodies_beyond_the_limit_are_neither_written_nor_read() -> None:
    """The limit holds for what comes out, not for what is stored, on both ways."""
    contents = bytes(1001)
    with pytest.raises(FormatError):
        encode_body(contents, 1000)
    plain = encode_body(contents, 1001)
    assert len(plain) < 200
    with pytest.raises(FormatError):
        decode_body(plain, 1000)


@pytest.mark.parametrize(
    ("encoding", "stored", "raw"), [(0, 3, 4), (0, 5, 5), (2, 4, 4), (1, 4, 4), (0, 2**32 - 1, 4)]
)
def test_bodies_with_wrong_lengths_are_refused(encoding: int, stored: int, raw: int) -> None:
    """Lengths that do not fit each other or the plaintext, unknown encodings."""
    with pytest.raises(FormatError):
        decode_body(BODY.pack(encoding, stored, raw) + b"abcd", 1 << 20)


def test_the_second_copy_is_found_from_the_size_alone() -> None:
    """For every length around the page borders, both copies are where the documents say."""
    for base in (0, 4096, 8192, 12288, 1 << 20):
        for length in range(max(97, base - 130), base + 130):
            copy = bytes([length & 255 or 1]) * length
            file = mirror(copy)
            start = second_copy_start(len(file))
            assert start % ALIGNMENT == 0
            assert start >= length
            assert file[start:] == file[:length] == copy
            assert not any(file[length:start])
            assert len(file) == -(-length // 4096) * 4096 + length


def test_a_bad_sector_leaves_one_copy() -> None:
    """No aligned 4 KiB sector holds bytes of both copies."""
    for length in (97, 4095, 4096, 4097, 9000):
        start = second_copy_start(len(mirror(bytes(length))))
        assert (length - 1) // ALIGNMENT < start // ALIGNMENT


def test_limits_are_what_the_documents_promise() -> None:
    """16 MiB for objects, 256 MiB for indexes, a 96-byte header."""
    assert (envelope.BODY_LIMIT, envelope.INDEX_LIMIT) == (16 << 20, 256 << 20)
    assert HEADER.size == 96
