"""XPRESS and LZX against what wimlib compresses, LZNT1 against the examples of [MS-XCA]."""

import random
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.disk import wim_resources
from twofold.disk.ntfs import lznt1, lzx, wof, xpress
from twofold.disk.ntfs.content import Bytes
from twofold.errors import FormatError

_RNG = random.Random(5)
_WORDS = [_RNG.randbytes(_RNG.randrange(1, 12)) for _ in range(200)]

TEXT = b"".join(b"%d words of text\n" % (number * number) for number in range(120))
CONTENTS = {
    "text": b"".join(b"line %d of a file\n" % number for number in range(9000)),
    "words": b"".join(_RNG.choices(_WORDS, k=20_000)),
    "zeros": bytes(100_000),
    "turns": b"".join(_RNG.choice([_RNG.randbytes(3000), b"ab" * 3000]) for _ in range(30)),
    "skewed": bytes(int(_RNG.expovariate(0.02)) & 255 for _ in range(70_000)),
    "short": b"abcabcabcabcabcabcabc" * 9,
    "calls": b"".join(
        b"\xe8"
        + _RNG.choice([-70_000, -9, 5, 12, 30_000, 11_999_999, 1 << 30]).to_bytes(
            4, "little", signed=True
        )
        + bytes(_RNG.choice([0, 3, 9]))
        for _ in range(9000)
    ),
}


@pytest.mark.parametrize("chunk", [4096, 8192, 16384])
@pytest.mark.parametrize("name", CONTENTS)
def test_chunks_of_wimlib(name: str, chunk: int, tmp_path: Path) -> None:
    content = CONTENTS[name]
    stored = wim_resources.compress(content, tmp_path, chunk)
    found = wof.WofContent(Bytes(stored), chunk, len(content))
    assert found.read(0, len(content) + 1) == content
    assert found.read(chunk - 5, 10) == content[chunk - 5 : chunk + 5]


@pytest.mark.parametrize("name", CONTENTS)
def test_chunks_of_wimlib_in_lzx(name: str, tmp_path: Path) -> None:
    content = CONTENTS[name]
    stored = wim_resources.compress(content, tmp_path, lzx.CHUNK, "LZX")
    found = wof.WofContent(Bytes(stored), lzx.CHUNK, len(content))
    assert found.read(0, len(content) + 1) == content


def test_blocks_of_lzx_that_are_not_compressed() -> None:
    """wimlib makes none: kind 3, less than all; three distances, the bytes, one to be even."""
    words = [(3 << 13) | (5 >> 4), (5 & 15) << 12]
    packed = b"".join(word.to_bytes(2, "little") for word in words)
    one = packed + struct.pack("<III", 1, 1, 1) + b"bytes"
    assert lzx.decode(one + b"\0" + one, 10) == b"bytesbytes"
    with pytest.raises(FormatError):
        lzx.decode(one, 10)


@given(st.binary(max_size=700), st.integers(0, 1 << 15))
def test_lzx_of_anything_ends(data: bytes, size: int) -> None:
    with suppress(FormatError):
        assert len(lzx.decode(data, size)) == size


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return wim_resources.compress(TEXT, tmp_path_factory.mktemp("lzx"), lzx.CHUNK, "LZX")


def test_damaged_lzx_ends(packed: bytes) -> None:
    """Each byte in turn."""
    assert lzx.decode(packed, len(TEXT)) == TEXT
    for at in range(len(packed)):
        damaged = bytearray(packed)
        damaged[at] ^= 1 << at % 8
        with suppress(FormatError):
            assert len(lzx.decode(bytes(damaged), len(TEXT))) == len(TEXT)


@given(st.binary(max_size=700), st.integers(0, 1 << 16))
def test_xpress_of_anything_ends(data: bytes, size: int) -> None:
    with suppress(FormatError):
        assert len(xpress.decode(data, size)) == size


def test_lznt1_example() -> None:
    """[MS-XCA] 3.3: the notes of a song, mostly copies."""
    packed = bytes.fromhex(
        "38b08846232000204720410010a24701a0452044000845015079"
        "00c045200524138805b4024a44ef0358028c0916014845"
        "00be009e000401189000"
    )
    song = (
        "F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# E D D "
        "E E F# D E F# G F# D E F# G F# E D E A F# F# G A A G F# E D D E F# E D D\0"
    )
    assert lznt1.decode(packed, 1 << 16) == song.encode()


def test_lznt1_plain_chunk_and_zeros_between() -> None:
    """A chunk that ends early is filled with zeros when another follows."""
    chunk = b"\x04\x30hello"
    assert lznt1.decode(chunk + chunk + b"\0\0", 8192) == b"hello" + bytes(4091) + b"hello"


@pytest.mark.parametrize("packed", ["02b0010000", "00b0", "01b001", "05b0026100ff0f00"])
def test_lznt1_damage(packed: str) -> None:
    with pytest.raises(FormatError):
        lznt1.decode(bytes.fromhex(packed), 4096)


@given(st.binary(max_size=600), st.integers(0, 1 << 16))
def test_lznt1_of_anything_ends(data: bytes, size: int) -> None:
    with suppress(FormatError):
        assert len(lznt1.decode(data, size)) <= size
