"""Index objects: fixed-width columns searched in place (docs/format/index.md).

Lookup bisects the column of ids, in the extension if it is there. No per-blob Python object is ever
built, and only the pages of memory that a lookup touches are read, so the contents may be a mapped
file.
"""

import mmap
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from twofold.errors import FormatError
from twofold.format.layout import Buffer, Layout
from twofold.format.names import BLOB_ID_SIZE
from twofold.format.pack import FrameEntry
from twofold.native import EXTENSION

INDEX_HEAD = Layout(
    "IndexHead", [("packs", "I"), ("frames", "I"), ("blobs", "I"), ("reserved", "I")]
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
_DONT_NEED: int = getattr(mmap, "MADV_DONTNEED", 0)
_UNDIVIDED = "an index object does not divide its frames among its packs"


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


class PackEntry(msgspec.Struct, frozen=True):
    """One pack as an index lists it."""

    pack: PackInfo
    frames: tuple[FrameEntry, ...]


class IndexBuilder:
    """An index object in the making: takes packs one by one, 85 bytes of memory for each blob."""

    def __init__(self) -> None:
        self._packs, self._frames = bytearray(), bytearray()
        self._blobs: list[bytes] = []
        self._pack_count = self._frame_count = 0

    def __len__(self) -> int:
        """Blobs taken so far."""
        return len(self._blobs)

    @property
    def empty(self) -> bool:
        """No pack was taken."""
        return not self._pack_count

    def add(self, entry: PackEntry) -> None:
        """List one more pack, whole."""
        self._packs += _pack_row(entry, self._frame_count)
        self._pack_count += 1
        rows: list[bytes] = []
        for frame in entry.frames:
            self._frames += _frame_row(frame)
            rows += _blob_rows(frame, self._frame_count)
            self._frame_count += 1
        rows.sort()  # so that in the end, when others wait, sorted runs are merged
        self._blobs += rows

    def encode(self) -> bytes:
        """Contents of the index object; more packs may be added afterwards."""
        self._blobs.sort()  # by id, as that comes first
        blobs = self._blobs
        head = INDEX_HEAD.pack(self._pack_count, self._frame_count, len(blobs))
        ids = b"".join([blob[:BLOB_ID_SIZE] for blob in blobs])
        rows = b"".join([blob[BLOB_ID_SIZE:] for blob in blobs])
        return b"".join([head, self._packs, self._frames, ids, rows])


def encode_index(packs: Iterable[PackEntry]) -> bytes:
    """Contents of an index object listing whole packs."""
    builder = IndexBuilder()
    for entry in packs:
        builder.add(entry)
    return builder.encode()


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


def _blob_rows(frame: FrameEntry, number: int) -> list[bytes]:
    """The id of each blob with its row behind it."""
    pack, offset = INDEX_BLOB.pack, 0
    rows = []
    for ident, length in frame.blobs:
        rows.append(ident + pack(number, offset, length))
        offset += length
    return rows


_FRAMES_KNOWN = 1024  # about 600 bytes each


@lru_cache(maxsize=64)  # blobs asked for one after the other mostly lie in the same frame
def _frame_in_pack(
    pack: tuple[bytes, int, bytes, int, int], frame: tuple[int, int, int, int, int]
) -> tuple[PackInfo, FrameEntry]:
    return PackInfo(*pack), FrameEntry(*frame)


class IndexRun:
    """A decoded index object, searched in place; immutable."""

    def __init__(self, data: Buffer) -> None:
        """Check all counts; ``FormatError`` when they do not fill the data exactly."""
        self._data = memoryview(data)
        self.count: int
        packs, frames, self.count = INDEX_HEAD.read(self._data)
        self._packs = INDEX_HEAD.size
        self._frames: int = self._packs + packs * INDEX_PACK.size
        self._ids: int = self._frames + frames * INDEX_FRAME.size
        self._rows = self._ids + self.count * BLOB_ID_SIZE
        if self._rows + self.count * INDEX_BLOB.size != len(self._data):
            raise FormatError("an index object has impossible counts")
        self.pack_count: int = packs
        self._frame_count = frames
        self.columns: Any = None if EXTENSION is None else EXTENSION.IndexColumns(self._data)
        """The extension's twin of this object, if there is one."""
        self._known: dict[int, tuple[PackInfo, FrameEntry]] = {}  # frames met by the twin

    def prove(self) -> None:
        """``FormatError`` unless it can be searched.

        The ids must ascend, and the packs divide the frames among them in their order. Where blobs
        lie is left to ``location``.
        """
        if self.columns is not None:
            self.columns.prove()
            return
        rows = INDEX_PACK.iterate(self._data[self._packs : self._frames])
        taken = 0
        for _, _, first, count, *_ in rows:
            if first != taken:
                raise FormatError(_UNDIVIDED)
            taken += count
        if taken != self._frame_count:
            raise FormatError(_UNDIVIDED)
        if any(one > other for one, other in pairwise(self.ids())):
            raise FormatError("the blobs of an index object are out of order")

    def release_memory(self) -> None:
        """Give back what is held of a mapped file, until it is read again."""
        mapped = self._data.obj
        advise = getattr(mapped, "madvise", None)  # not on every system, and not on bytes
        if isinstance(mapped, mmap.mmap) and advise and _DONT_NEED:
            advise(_DONT_NEED)

    def find(self, blob_id: bytes) -> int:
        """Position of a blob, -1 if it is not listed."""
        if self.columns is not None:
            first, end = self.columns.span(blob_id)
            return int(first) if first < end else -1
        positions = self.positions(blob_id)
        return positions.start if positions else -1

    def lists(self, blob_id: bytes) -> bool:
        """Whether it has the blob."""
        return self.find(blob_id) >= 0

    def positions(self, blob_id: bytes) -> range:
        """All positions of a blob: several packs may hold it."""
        if self.columns is not None:
            return range(*self.columns.span(blob_id))
        if len(blob_id) != BLOB_ID_SIZE:
            return range(0)  # ids come out of pages, which anybody with a key may have written
        first = end = bisect_left(range(self.count), blob_id, key=self._id)
        while end < self.count and self._id(end) == blob_id:
            end += 1
        return range(first, end)

    def first(self, blob_id: bytes) -> BlobLocation | None:
        """The first place of a blob that can be one, None if there is none."""
        if self.columns is not None:
            return self._quick_first(blob_id)
        for position in self.positions(blob_id):
            try:
                return self.location(position)
            except FormatError:
                continue
        return None

    def _quick_first(self, blob_id: bytes) -> BlobLocation | None:
        row = self.columns.first(blob_id)
        if row is None:
            return None
        position, number, offset, length = row
        known = self._known.get(number)
        if known is None:
            try:
                place = self.location(position)
            except FormatError:  # a mapped file that changes
                return None
            if len(self._known) >= _FRAMES_KNOWN:
                self._known = {}
            known = self._known[number] = place.pack, place.frame
        # a named tuple without the price of its Python-level constructor
        return tuple.__new__(BlobLocation, (*known, offset, length))

    def _id(self, position: int) -> bytes:
        place = self._ids + position * BLOB_ID_SIZE
        return bytes(self._data[place : place + BLOB_ID_SIZE])

    def location(self, position: int) -> BlobLocation:
        """The place of the blob at a position. ``FormatError`` if there can be none."""
        if self.columns is not None:
            pack, frame, offset, length = self.columns.place(position)
            known = _frame_in_pack(pack, frame)
            # a named tuple without the price of its Python-level constructor
            return tuple.__new__(BlobLocation, (*known, offset, length))
        number, offset, length = INDEX_BLOB.read(
            self._data, self._rows + position * INDEX_BLOB.size
        )
        found = self._frame(number)
        if offset + length > found.raw_length:
            raise FormatError("an index object places a blob outside its frame")
        return BlobLocation(self._pack_of(number), found, offset, length)

    def ids(self) -> Iterator[bytes]:
        """All blob ids, ascending."""
        for i in range(self._ids, self._rows, BLOB_ID_SIZE):
            yield bytes(self._data[i : i + BLOB_ID_SIZE])

    def packs(self) -> Iterator[PackInfo]:
        """Every pack listed."""
        rows = self._data[self._packs : self._frames]
        for pack, size, _, _, salt, epoch, aead in INDEX_PACK.iterate(rows):
            yield PackInfo(pack, size, salt, epoch, aead)

    def frames(self) -> Iterator[tuple[PackInfo, FrameEntry]]:
        """Every frame listed, without its blobs, in the order of the frame column.

        ``FormatError`` unless the packs divide the frames among them in their order.
        """
        for pack, numbers in self._divided():
            for number in numbers:
                yield pack, self._frame(number)

    def _divided(self) -> Iterator[tuple[PackInfo, range]]:
        """Every pack with the numbers of its frames. ``FormatError`` as ``frames``."""
        taken = 0
        rows = self._data[self._packs : self._frames]
        for pack, size, first, count, salt, epoch, aead in INDEX_PACK.iterate(rows):
            if first != taken or count > self._frame_count - taken:
                raise FormatError("an index object gives a frame to two packs or to none")
            taken += count
            yield PackInfo(pack, size, salt, epoch, aead), range(first, taken)
        if taken != self._frame_count:
            raise FormatError("an index object lists a frame without a pack")

    def rows(self) -> Iterator[tuple[bytes, int, int, int]]:
        """(blob id, frame number, offset, length) of every blob, by id; numbers unchecked."""
        places = INDEX_BLOB.iterate(self._data[self._rows :])
        for ident, (number, offset, length) in zip(self.ids(), places, strict=True):
            yield ident, number, offset, length

    def pack_entries(self) -> list[PackEntry]:
        """Everything listed, as whole packs with their frames and blobs.

        ``FormatError`` unless the packs divide the frames among them in their order.
        """
        blobs = self._blobs_by_frame()
        return [
            PackEntry(pack, tuple(self._with_blobs(number, blobs) for number in numbers))
            for pack, numbers in self._divided()
        ]

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
        low, high = 0, self.pack_count
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
