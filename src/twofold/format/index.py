"""Index objects: fixed-width columns searched in place (docs/format/index.md).

Lookup narrows to a few ids by bisecting the columns of first and second id bytes, then lets
``bytes.find`` do the comparing; all of it runs in C and no per-blob Python object is ever built.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from twofold.errors import FormatError
from twofold.format.layout import Layout
from twofold.format.names import BLOB_ID_SIZE, OBJECT_ID_SIZE
from twofold.format.pack import FrameEntry

INDEX_HEAD = Layout(
    "IndexHead", [("packs", "I"), ("frames", "I"), ("blobs", "I"), ("superseded", "I")]
)
INDEX_PACK = Layout(
    "IndexPack",
    [
        ("pack", "16s"),
        ("size", "Q"),
        ("first_frame", "I"),
        ("frames", "I"),
        ("salt", "32s"),
        ("epoch", "I"),
        ("aead", "B"),
        ("reserved", "3s"),
    ],
)
INDEX_FRAME = Layout(
    "IndexFrame",
    [
        ("offset", "I"),
        ("sealed_length", "I"),
        ("raw_length", "I"),
        ("ordinal", "3s"),
        ("encoding", "B"),
    ],
)
INDEX_BLOB = Layout("IndexBlob", [("frame", "I"), ("offset", "I"), ("length", "I")])
MAX_BLOBS_PER_INDEX = 1 << 20


class PackInfo(NamedTuple):
    """A pack as readers need it: id, size in bytes, and what its key is derived from."""

    id: bytes
    size: int
    salt: bytes
    epoch: int
    aead: int


class BlobLocation(NamedTuple):
    """Where a blob lies: its pack, its frame there, and its bytes in the frame's plaintext."""

    pack: PackInfo
    frame: FrameEntry
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class PackEntry:
    """One pack as an index lists it."""

    pack: PackInfo
    frames: tuple[FrameEntry, ...]


def encode_index(packs: Iterable[PackEntry], superseded: Iterable[bytes] = ()) -> bytes:
    """Contents of an index object listing whole packs."""
    pack_rows, frame_rows, blobs = bytearray(), bytearray(), []
    count = frame_number = 0
    for entry in packs:
        pack_rows += _pack_row(entry, frame_number)
        count += 1
        for frame in entry.frames:
            frame_rows += _frame_row(frame)
            blobs += _blob_rows(frame, frame_number)
            frame_number += 1
    blobs.sort()
    old = list(superseded)
    head = INDEX_HEAD.pack(count, frame_number, len(blobs), len(old))
    columns = [bytes(pack_rows), bytes(frame_rows)]
    columns += [b"".join(b[0] for b in blobs), b"".join(b[1] for b in blobs)]
    return b"".join([head, *columns, *old])


def _pack_row(entry: PackEntry, first_frame: int) -> bytes:
    pack = entry.pack
    return INDEX_PACK.pack(
        pack.id, pack.size, first_frame, len(entry.frames), pack.salt, pack.epoch, pack.aead
    )


def _frame_row(frame: FrameEntry) -> bytes:
    return INDEX_FRAME.pack(
        frame.offset,
        frame.sealed_length,
        frame.raw_length,
        frame.ordinal.to_bytes(3, "little"),
        frame.encoding,
    )


def _blob_rows(frame: FrameEntry, number: int) -> list[tuple[bytes, bytes]]:
    rows = []
    offset = 0
    for ident, length in frame.blobs:
        rows.append((ident, INDEX_BLOB.pack(number, offset, length)))
        offset += length
    return rows


class IndexRun:
    """A decoded index object, searched in place; immutable."""

    def __init__(self, data: bytes) -> None:
        """Check all counts; ``FormatError`` when they do not fill the data exactly."""
        self._data = data
        self.count: int
        packs, frames, self.count, superseded = INDEX_HEAD.read(data)
        self._packs = INDEX_HEAD.size
        self._frames: int = self._packs + packs * INDEX_PACK.size
        self._ids: int = self._frames + frames * INDEX_FRAME.size
        self._rows = self._ids + self.count * BLOB_ID_SIZE
        self._old = self._rows + self.count * INDEX_BLOB.size
        if self._old + superseded * OBJECT_ID_SIZE != len(data):
            raise FormatError("an index object has impossible counts")
        self._pack_count, self._frame_count = packs, frames
        self._first = data[self._ids : self._rows : BLOB_ID_SIZE]
        self._second = data[self._ids + 1 : self._rows : BLOB_ID_SIZE]
        self._fanout = [bisect_left(self._first, byte) for byte in range(256)] + [self.count]

    def superseded(self) -> list[bytes]:
        """Ids of the index objects this one replaces."""
        tail = self._data[self._old :]
        return [tail[i : i + OBJECT_ID_SIZE] for i in range(0, len(tail), OBJECT_ID_SIZE)]

    def find(self, blob_id: bytes) -> int:
        """Position of a blob, -1 if it is not listed."""
        if len(blob_id) != BLOB_ID_SIZE:
            return -1  # ids come out of pages, which anybody with a key may have written
        first, second = blob_id[0], blob_id[1]
        low = bisect_left(self._second, second, self._fanout[first], self._fanout[first + 1])
        high = bisect_right(self._second, second, low, self._fanout[first + 1])
        place, end = self._ids + low * BLOB_ID_SIZE, self._ids + high * BLOB_ID_SIZE
        while place < end:
            place = self._data.find(blob_id, place, end)
            if place < 0:
                return -1
            if (place - self._ids) % BLOB_ID_SIZE == 0:
                return (place - self._ids) // BLOB_ID_SIZE
            place += 1  # a match across two ids; go on behind it
        return -1

    def positions(self, blob_id: bytes) -> range:
        """All positions of a blob: several packs may hold it."""
        first = end = self.find(blob_id)
        if first < 0:
            return range(0)
        while end < self.count and self._data.startswith(blob_id, self._ids + end * BLOB_ID_SIZE):
            end += 1
        return range(first, end)

    def location(self, position: int) -> BlobLocation:
        """The place of the blob at a position."""
        number, offset, length = INDEX_BLOB.read(
            self._data, self._rows + position * INDEX_BLOB.size
        )
        frame = self._frame(number)
        if offset + length > frame.raw_length:
            raise FormatError("an index object places a blob outside its frame")
        return BlobLocation(self._pack_of(number), frame, offset, length)

    def ids(self) -> Iterator[bytes]:
        """All blob ids, ascending."""
        for i in range(self._ids, self._rows, BLOB_ID_SIZE):
            yield self._data[i : i + BLOB_ID_SIZE]

    @property
    def id_range(self) -> tuple[int, int]:
        """First bytes of the smallest and the largest id, for the object's header."""
        return (self._first[0], self._first[-1]) if self.count else (0, 0)

    def packs(self) -> Iterator[PackInfo]:
        """Every pack listed."""
        rows = memoryview(self._data)[self._packs : self._frames]
        for pack, size, _, _, salt, epoch, aead in INDEX_PACK.iterate(rows):
            yield PackInfo(pack, size, salt, epoch, aead)

    def frames(self) -> Iterator[tuple[PackInfo, FrameEntry]]:
        """Every frame listed, without its blobs, in the order of the frame column.

        ``FormatError`` unless the packs divide the frames among them in their order.
        """
        taken = 0
        rows = memoryview(self._data)[self._packs : self._frames]
        for pack, size, first, count, salt, epoch, aead in INDEX_PACK.iterate(rows):
            if first != taken or count > self._frame_count - taken:
                raise FormatError("an index object gives a frame to two packs or to none")
            taken += count
            info = PackInfo(pack, size, salt, epoch, aead)
            for number in range(first, taken):
                yield info, self._frame(number)
        if taken != self._frame_count:
            raise FormatError("an index object lists a frame without a pack")

    def rows(self) -> Iterator[tuple[bytes, int, int, int]]:
        """(blob id, frame number, offset, length) of every blob, by id; numbers unchecked."""
        places = INDEX_BLOB.iterate(memoryview(self._data)[self._rows : self._old])
        for ident, (number, offset, length) in zip(self.ids(), places, strict=True):
            yield ident, number, offset, length

    def pack_entries(self) -> list[PackEntry]:
        """Everything listed, as whole packs with their frames and blobs.

        ``FormatError`` unless the packs divide the frames among them in their order.
        """
        blobs = self._blobs_by_frame()
        entries = []
        taken = 0
        rows = memoryview(self._data)[self._packs : self._frames]
        for pack, size, first, count, salt, epoch, aead in INDEX_PACK.iterate(rows):
            if first != taken or count > self._frame_count - taken:
                raise FormatError("an index object gives a frame to two packs or to none")
            taken += count
            frames = (self._with_blobs(n, blobs) for n in range(first, first + count))
            info = PackInfo(pack, size, salt, epoch, aead)
            entries.append(PackEntry(info, tuple(frames)))
        if taken != self._frame_count:
            raise FormatError("an index object lists a frame without a pack")
        return entries

    def _with_blobs(
        self, number: int, blobs: dict[int, list[tuple[int, bytes, int]]]
    ) -> FrameEntry:
        frame = self._frame(number)
        listed = tuple((ident, length) for _, ident, length in sorted(blobs.get(number, [])))
        return FrameEntry(
            frame.ordinal,
            frame.offset,
            frame.sealed_length,
            frame.raw_length,
            frame.encoding,
            listed,
        )

    def _blobs_by_frame(self) -> dict[int, list[tuple[int, bytes, int]]]:
        blobs: dict[int, list[tuple[int, bytes, int]]] = {}
        for ident, number, offset, length in self.rows():
            blobs.setdefault(number, []).append((offset, ident, length))
        return blobs

    def _frame(self, number: int) -> FrameEntry:
        if number >= self._frame_count:
            raise FormatError("an index object names a frame it does not list")
        offset, sealed, raw, ordinal, encoding = INDEX_FRAME.read(
            self._data, self._frames + number * INDEX_FRAME.size
        )
        return FrameEntry(int.from_bytes(ordinal, "little"), offset, sealed, raw, encoding)

    def _pack_of(self, number: int) -> PackInfo:
        """Binary search in the pack column for the pack that owns a frame."""
        low, high = 0, self._pack_count
        while low < high:
            middle = (low + high) // 2
            pack, size, first, count, salt, epoch, aead = INDEX_PACK.read(
                self._data, self._packs + middle * INDEX_PACK.size
            )
            if number < first:
                high = middle
            elif number >= first + count:
                low = middle + 1
            else:
                return PackInfo(pack, size, salt, epoch, aead)
        raise FormatError("an index object lists a frame without a pack")
