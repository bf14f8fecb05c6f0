"""Contents of files out of the repository, each frame read and decoded once per round.

    pieces (file, offset, blob) ─► by frame, in order of place ─► threads: read, open, prove ─► data

Packs come in the order in which they are first needed, frames in the order they lie in. A blob that
its frame cannot give is looked for in every other place the index knows; if that fails too, its
pieces come with the error in place of data, and everything else goes on.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

from twofold.errors import DamageFound, FormatError, ObjectDamaged
from twofold.format.index import BlobLocation
from twofold.format.layout import Buffer
from twofold.format.names import BlobKind
from twofold.format.records import PageRef
from twofold.parallel import Threads
from twofold.repository import BlobReader, other_contents

_AHEAD = 2  # frames per thread that may wait to be written


JobT = TypeVar("JobT")
UseT = TypeVar("UseT")


class Piece(NamedTuple, Generic[JobT]):
    """A part of a file (or whatever the job is about) that is one blob."""

    job: JobT
    offset: int
    blob: bytes
    length: int


class _Wanted(msgspec.Struct, Generic[JobT], eq=False):
    place: BlobLocation
    pieces: list[Piece[JobT]]


class Frame(msgspec.Struct, Generic[JobT], eq=False):
    """A frame of a pack, and what is wanted of it."""

    place: BlobLocation
    blobs: dict[bytes, _Wanted[JobT]] = msgspec.field(default_factory=dict)

    def pieces(self) -> Iterator[Piece[JobT]]:
        """All pieces that come out of it."""
        for wanted in self.blobs.values():
            yield from wanted.pieces


Result = tuple[Buffer | DamageFound, list[Piece[JobT]]]


def fingerprint(content: bytes, ref: PageRef | None) -> bytes:
    """What stored contents have in common if they are equal: their segments or the page of them."""
    return b"s" + content if ref is None else b"p%d:" % ref.level + ref.id


class Contents(Generic[JobT]):
    """Reads pieces for one restore."""

    def __init__(
        self, reader: BlobReader, threads: Threads, count: int, *, prove: bool = True
    ) -> None:
        """Without ``prove`` blobs are not compared with their ids: the caller will do it later.

        Frames are authentic either way; what could be wrong is the place that the index tells.
        """
        self._reader = reader
        self._threads = threads
        self._ahead = count * _AHEAD
        self._prove = prove
        self._lost: dict[tuple[bytes, int], DamageFound] = {}

    def read(self, pieces: Iterable[Piece[JobT]]) -> Iterator[Result[JobT]]:
        """(data or why there is none, the pieces it is for), in no promised order.

        Data may be kept: what is kept holds on to at most twice its size.
        """
        frames, lost = self.by_frame(pieces)
        yield from lost
        yield from self.read_frames(frames)

    def read_frames(self, frames: Iterable[Frame[JobT]]) -> Iterator[Result[JobT]]:
        """The same for frames of ``by_frame``, in their order."""
        for results in self._threads.map(self._decode, frames, ahead=self._ahead):
            yield from results

    def used(
        self, frames: Iterable[Frame[JobT]], use: Callable[[list[Result[JobT]]], UseT]
    ) -> Iterator[UseT]:
        """The same, each frame put to ``use`` in the thread that decoded it; what that gave."""
        yield from self._threads.map(
            lambda frame: use(self._decode(frame)), frames, ahead=self._ahead
        )

    def by_frame(
        self, pieces: Iterable[Piece[JobT]]
    ) -> tuple[list[Frame[JobT]], list[Result[JobT]]]:
        """What to read for some pieces, in the best order, and the pieces that lie nowhere."""
        frames: dict[tuple[bytes, int], Frame[JobT]] = {}
        packs: dict[bytes, int] = {}
        wanted: dict[bytes, _Wanted[JobT]] = {}
        lost: list[Result[JobT]] = []
        for piece in pieces:
            found = wanted.get(piece.blob)
            if found is not None:
                found.pieces.append(piece)
                continue
            try:
                place = self._place(piece.blob)
            except DamageFound as error:
                lost.append((error, [piece]))
                continue
            wanted[piece.blob] = found = _Wanted(place, [piece])
            key = (place.pack.id, place.frame.ordinal)
            packs.setdefault(place.pack.id, len(packs))
            frames.setdefault(key, Frame(place)).blobs[piece.blob] = found
        ordered = sorted(
            frames.values(), key=lambda f: (packs[f.place.pack.id], f.place.frame.offset)
        )
        return ordered, lost

    def _place(self, blob: bytes) -> BlobLocation:
        index = self._reader.index
        found = index.place(BlobKind.DATA, blob)
        if found is not None:
            return found
        for place in index.locations(BlobKind.DATA, blob):
            return place
        raise ObjectDamaged(f"data {blob.hex()[:16]} is in no index")

    def _decode(self, frame: Frame[JobT]) -> list[Result[JobT]]:
        """Runs in a thread."""
        plain = self._plain(frame.place)
        if isinstance(plain, DamageFound):
            return [self._lost_blob(blob, each, plain) for blob, each in frame.blobs.items()]
        places = [(blob, each.place) for blob, each in frame.blobs.items()]
        if self._prove:
            taken = self._reader.take_all(BlobKind.DATA, places, plain)
        else:
            taken = _cut_out(plain, places)
        if 2 * sum([place.length for _, place in places]) < len(plain):
            taken = [data and memoryview(bytes(data)) for data in taken]
        return [
            self._fitting(data, each.pieces)
            if data is not None
            else self._lost_blob(blob, each, other_contents(each.place))
            for (blob, each), data in zip(frame.blobs.items(), taken, strict=True)
        ]

    def _plain(self, place: BlobLocation) -> Buffer | DamageFound:
        """A frame, or why it is lost; each lost one is only tried once, for that takes long."""
        key = (place.pack.id, place.frame.ordinal)
        lost = self._lost.get(key)
        if lost is not None:
            return lost
        try:
            return self._reader.frame(BlobKind.DATA, place)
        except DamageFound as error:
            self._lost[key] = error
            return error

    def _lost_blob(self, blob: bytes, wanted: _Wanted[JobT], why: DamageFound) -> Result[JobT]:
        """From another place if there is one, else the reason."""
        found = self._elsewhere(blob, wanted.place)
        return (why, wanted.pieces) if found is None else self._fitting(bytes(found), wanted.pieces)

    def _fitting(self, data: Buffer, pieces: list[Piece[JobT]]) -> Result[JobT]:
        if len(data) != pieces[0].length:
            return FormatError("a file's list of contents gives a wrong length"), pieces
        return data, pieces

    def _cut(self, blob: bytes, place: BlobLocation, plain: Buffer | DamageFound) -> Buffer:
        if isinstance(plain, DamageFound):
            raise plain
        if not self._prove:
            return memoryview(plain)[place.offset : place.offset + place.length]
        return self._reader.take(BlobKind.DATA, blob, place, plain)

    def _elsewhere(self, blob: bytes, tried: BlobLocation) -> Buffer | None:
        """The blob from any other place that is known, or becomes known by looking again."""
        index = self._reader.index
        while True:
            known = index.size
            for place in index.locations(BlobKind.DATA, blob):
                if place == tried:
                    continue
                try:
                    return self._cut(blob, place, self._plain(place))
                except DamageFound:
                    continue
            if not index.look_again(known):
                return None


def _cut_out(plain: Buffer, blobs: Sequence[tuple[bytes, BlobLocation]]) -> list[memoryview | None]:
    """What the index tells of a frame, not proven; None for what would be longer than the frame."""
    view = memoryview(plain)
    return [
        view[place.offset : place.offset + place.length]
        if place.offset + place.length <= len(view)
        else None
        for _, place in blobs
    ]
