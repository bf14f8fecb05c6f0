"""How many decoded frames a reader keeps, and that what it gives is the same."""

from typing import cast

from twofold.format.index import BlobLocation, PackInfo
from twofold.format.names import BlobKind
from twofold.format.pack import FrameEntry
from twofold.repository.blobs import BlobReader
from twofold.repository.index import Index
from twofold.repository.pack_reader import PackReader
from twofold.seal import DedupKeys

KEYS = DedupKeys(bytes(32))
SIZE = 1 << 20
FRAMES = [bytes([number]) * SIZE for number in range(4)]
PACK = PackInfo(bytes(16), 1 << 25, bytes(32), 0, 1)


class Packs:
    """A pack of four frames that counts how often each is read."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def read_frame(self, kind: BlobKind, pack: PackInfo, frame: FrameEntry) -> bytes:
        self.read.append(frame.ordinal)
        return FRAMES[frame.ordinal]


def read(most: int | None, order: list[int]) -> list[int]:
    """Which frames are read when blobs of them are wanted in an order."""
    packs = Packs()
    reader = BlobReader(cast(Index, None), cast(PackReader, packs), KEYS)
    if most is not None:
        reader.keep(most)
    for number in order:
        frame = FrameEntry(number, 0, SIZE, SIZE, 0, ())
        place = BlobLocation(PACK, frame, 0, SIZE)
        assert reader.frame(BlobKind.DATA, place) == FRAMES[number]
    return packs.read


def test_frames_are_kept_unless_told_otherwise() -> None:
    assert read(None, [0, 1, 2, 3, 0, 1, 2, 3]) == [0, 1, 2, 3]


def test_no_more_is_kept_than_asked_for() -> None:
    assert read(2 * SIZE, [0, 1, 0, 2, 0, 1]) == [0, 1, 2, 1]
    assert read(4 * SIZE, [0, 1, 2, 3, 0]) == [0, 1, 2, 3]
    assert read(0, [0, 0, 1, 0]) == [0, 1, 0]
