"""The journal of a volume that was not unmounted: followed, or else everything counts as in use.

That what is restored is what the journal promises is shown in ``tests/imaging/test_crashed_pcs``.
"""

import random
import struct
from contextlib import suppress

import pytest

from tests.disk.ext_damage import exercise
from tests.disk.ext_volumes import may_mount
from tests.imaging.test_crashed_pcs import crashed
from twofold.disk import bitmap
from twofold.disk.blocks import MemoryBlocks
from twofold.disk.ext import ExtVolume, open_ext
from twofold.errors import FormatError

pytestmark = pytest.mark.skipif(not may_mount(), reason="may not mount")

_MAGIC = bytes.fromhex("c03b3998")


@pytest.fixture(scope="module", params=["-t ext4 -b 1024", "-t ext3 -b 1024"])
def volume(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("journal")
    return crashed(folder / "ext", f"{request.param} -J size=1", "loop").read_bytes()


def opened(data: bytes) -> ExtVolume:
    return open_ext(MemoryBlocks(data))


def journal_at(data: bytes) -> int:
    """The byte of the journal's superblock."""
    at = data.index(_MAGIC + b"\0\0\0\x04")
    assert at % 1024 == 0
    return at


def everything(found: ExtVolume) -> bool:
    return found.allocation() == bitmap.full(found.facts.units)


def patched(data: bytes, offset: int, new: bytes) -> bytes:
    return data[:offset] + new + data[offset + len(new) :]


def test_a_journal_that_is_followed_adds_to_what_is_in_use(volume: bytes) -> None:
    found = opened(volume)
    flags = struct.unpack_from("<I", volume, 1024 + 96)[0]
    ignorant = opened_without_journal(volume, flags)
    more = int.from_bytes(found.allocation(), "little")
    less = int.from_bytes(ignorant.allocation(), "little")
    assert less & ~more == 0
    assert (more & ~less).bit_count() > 100
    assert not everything(found)
    assert any("in its journal" in note for note in found.facts.notes)


def opened_without_journal(data: bytes, flags: int) -> ExtVolume:
    """The volume as it reads for whoever takes it for clean."""
    copy = bytearray(data)
    copy[1024 + 96 : 1024 + 100] = (flags & ~0x4).to_bytes(4, "little")
    copy[1024 + 0x175] = 0  # no check sum of the superblock that would have to be right
    return opened(bytes(copy))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (0, 0),  # no journal at all
        (12, 4096),  # blocks of another size
        (16, 1 << 31),  # longer than its file
        (20, 0),  # the ring begins at the superblock
        (28, 1 << 30),  # the first transaction lies behind the end
        (40, 1 << 20),  # features from the future
        (40, 0x20),  # fast commits
    ],
)
def test_a_journal_that_cannot_be_followed_costs_only_room(
    volume: bytes, field: int, value: int
) -> None:
    data = patched(volume, journal_at(volume) + field, value.to_bytes(4, "big"))
    found = opened(data)
    assert everything(found)
    assert any("cannot be followed" in note for note in found.facts.notes)
    exercise(found)


def test_a_journal_on_another_device_costs_only_room(volume: bytes) -> None:
    data = patched(volume, 1024 + 224, bytes(4))
    data = patched(data, 1024 + 0x175, b"\0")
    assert everything(opened(data))


@pytest.mark.parametrize("seed", range(6))
def test_changed_bytes_lead_to_nothing_but_format_errors(volume: bytes, seed: int) -> None:
    rng = random.Random(seed)
    start = journal_at(volume)
    data = bytearray(volume)
    for _ in range(rng.choice((1, 30, 3000))):
        offset = rng.randrange(4096) if rng.random() < 0.5 else rng.randrange(1 << 20)
        data[start + offset] = rng.choice((0, 0xFF, rng.randrange(256)))
    with suppress(FormatError):
        exercise(opened(bytes(data)))
