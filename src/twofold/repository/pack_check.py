"""Everything there is to know about one pack, from its bytes: pure work, done in threads.

Every frame is opened and decompressed and every blob's id recomputed; what the stored bytes do not
give is tried from parity or the second copy, so the verdict says what is lost, what is only
damaged, and what both cost. The redundancy of a healthy pack is put to use as well: two pieces of
it are taken away and must come back, for parity that was never tried is no parity.
"""

import secrets
from array import array
from collections.abc import Callable, Iterator
from itertools import accumulate

import msgspec

from twofold import parity
from twofold.errors import DamageFound, FormatError, NewerFormat
from twofold.format.envelope import HEADER
from twofold.format.index import PackEntry, PackInfo
from twofold.format.layout import Buffer
from twofold.format.names import BlobKind
from twofold.format.pack import SECTION, FrameEntry
from twofold.repository.listing import PackListing, mark_of
from twofold.repository.pack_reader import PackReader
from twofold.repository.pack_repair import PackImage, parse_pack
from twofold.seal import DedupKeys

FindEntry = Callable[[bytes], PackEntry | None]


class PackVerdict(msgspec.Struct):
    """What came of reading a pack whole."""

    pack: bytes
    size: int
    faults: list[str] = msgspec.field(default_factory=list)
    """What is not as it was written, in words."""
    known: bool = True
    """False when neither a table nor an index tells what was in it."""
    frames: int = 0
    healed: int = 0
    lost: list[FrameEntry] = msgspec.field(default_factory=list)
    """Frames that nothing brings back."""

    @property
    def healthy(self) -> bool:
        """Whether the pack is as it was written, all of it."""
        return not self.faults and not self.lost

    @property
    def has_lost(self) -> bool:
        """Whether something in it is lost, or nobody can tell what was."""
        return bool(self.lost) or not self.known

    @property
    def lost_blobs(self) -> int:
        """Blobs that nothing brings back."""
        return sum(len(frame.blobs) for frame in self.lost)


class PackExaminer:
    """Examines packs of one repository; threads may share it."""

    def __init__(self, reader: PackReader, keys: DedupKeys, find_entry: FindEntry) -> None:
        """``find_entry``: what the index knows of a pack, for those whose own table is lost."""
        self._reader = reader
        self._keys = keys
        self._find_entry = find_entry

    def examine(self, pack: bytes, data: bytes, listing: PackListing | None) -> PackVerdict:
        """The verdict on a pack that the index lists so, or not at all."""
        verdict = PackVerdict(pack, len(data))
        image = parse_pack(pack, data)
        if not _in_order(image):
            verdict.faults += image.faults() or ["its parity does not fit its contents"]
        known = self._contents(verdict, image, listing)
        if known is None:
            verdict.known = False
            return verdict
        self._open_all(verdict, image, *known)
        return verdict

    def _contents(
        self, verdict: PackVerdict, image: PackImage, listing: PackListing | None
    ) -> tuple[BlobKind, PackInfo, tuple[FrameEntry, ...]] | None:
        """Kind, keys and frames: as the index has them, for that is how they will be looked for."""
        own = None
        try:
            kind, whole = self._reader.parse(verdict.pack, image.data)
        except (DamageFound, NewerFormat) as error:
            verdict.faults.append(f"its table cannot be read ({error})")
        else:
            verdict.faults += _layout_faults(image, whole.table.frames)
            own = kind, whole.info, tuple(whole.table.frames)
            found = PackListing(kind, whole.info, b"", mark=mark_of(own[2]))
            if listing is None or _same(found, listing):
                return own
            verdict.faults.append("its own table says something else than the index")
        entry = self._find_entry(verdict.pack) if listing is not None else None
        if entry is None or listing is None:
            return own
        return listing.kind, entry.pack, entry.frames

    def _open_all(
        self,
        verdict: PackVerdict,
        image: PackImage,
        kind: BlobKind,
        info: PackInfo,
        frames: tuple[FrameEntry, ...],
    ) -> None:
        fronts = _Fronts(image)
        for frame in frames:
            verdict.frames += 1
            for attempt, front in enumerate(fronts):
                if self._whole(kind, info, frame, front):
                    verdict.healed += attempt > 0
                    break
            else:
                verdict.lost.append(frame)
        if verdict.lost and not verdict.faults:
            verdict.faults.append("its contents are not what its table says")

    def _whole(self, kind: BlobKind, info: PackInfo, frame: FrameEntry, front: Buffer) -> bool:
        """Whether a frame opens out of these bytes and every blob in it is the one listed."""
        end = frame.offset + frame.sealed_length
        try:
            plain = self._reader.open_frame(kind, info, frame, front[frame.offset : end])
        except FormatError:
            return False
        ends = list(accumulate((length for _, length in frame.blobs), initial=0))
        if ends[-1] > len(plain):
            return False
        spans = array("Q", bytes(16 * len(frame.blobs)))
        spans[::2], spans[1::2] = array("Q", ends[:-1]), array("Q", ends[1:])
        found = self._keys.ids_of(kind, memoryview(plain), spans)
        return found == b"".join([ident for ident, _ in frame.blobs])


class _Fronts:
    """The pack as stored and in every repaired form, each made when first asked for."""

    def __init__(self, image: PackImage) -> None:
        self._source = image.candidates()
        self._made: list[Buffer] = []

    def __iter__(self) -> Iterator[Buffer]:
        place = 0
        while place < len(self._made) or self._make():
            yield self._made[place]
            place += 1

    def _make(self) -> bool:
        try:
            self._made.append(next(self._source))
        except (StopIteration, DamageFound):
            return False
        return True


def _in_order(image: PackImage) -> bool:
    """The quick way to know that nothing is wrong, without copying the pack."""
    footer = image.footer
    if image.problems or footer is None:
        return False
    if footer.groups == 0:
        return not image.faults()
    front, shards = memoryview(image.data)[: footer.digests_offset], image.shards()
    try:
        of_data, of_parity = image.digests()
    except DamageFound:
        return False
    return (
        parity.shard_digests(front) == of_data
        and parity.shard_digests(shards) == of_parity
        and not image.tail_faults()
        and _repairs(front, shards, of_data, footer.groups)
    )


def _repairs(front: memoryview, shards: bytes, of_data: bytes, groups: int) -> bool:
    """Whether one of the groups, another one each time, gives back two pieces taken from it.

    A group alone is like a small pack with a single group.
    """
    size, count = parity.SHARD_SIZE, -(-len(front) // parity.SHARD_SIZE)
    group = secrets.randbelow(min(groups, count))
    members = range(group, count, groups)
    data = b"".join(front[at * size : at * size + size] for at in members)
    at_p, at_q = parity.Layout.with_groups(len(front), groups).parity_shards(group)
    pair = shards[at_p * size :][:size] + shards[at_q * size :][:size]
    digests = b"".join(of_data[at * parity.DIGEST_SIZE :][: parity.DIGEST_SIZE] for at in members)
    wounded = bytes(2 * size) + data[2 * size :] if len(data) > 2 * size else bytes(len(data))
    try:
        found = parity.salvage(wounded, len(data), pair, digests, parity.shard_digests(pair))
    except DamageFound:
        return False
    return found.data == data


def _layout_faults(image: PackImage, frames: list[FrameEntry]) -> list[str]:
    """Frames follow one another from the header to the table."""
    place = HEADER.size
    for frame in frames:
        if frame.offset != place + SECTION.size:
            return ["its frames do not lie where its table says"]
        place = frame.offset + frame.sealed_length
    if image.footer is not None and image.footer.table_offset != place:
        return ["its table does not lie behind its frames"]
    return []


def _same(found: PackListing, listing: PackListing) -> bool:
    """Whether table and index agree; the size of a damaged file is another matter."""
    info = found.info._replace(size=listing.info.size)
    return (found.kind, info, found.mark) == (listing.kind, listing.info, listing.mark)
