"""The decoders of the repository format: what they take must keep what their callers rely on.

An input begins with a sample out of a real repository (``make_formats.py``) or one that holds each
field once (``tests/hostile/format``). Most are changed by structure and encoded again with lengths,
order, digests and seals as they must be, so that they get past the first check; some are changed
byte by byte.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from tests.format.volumes import volume_of
from tests.fuzz import layouts
from tests.fuzz.structure import changed, records_changed
from tests.hostile.format.test_hostile_codecs import ID, KEYS, SAMPLES
from twofold.chunker import ChunkerParams
from twofold.errors import DamageFound, FormatError, NothingDone, RefusedUnsafe
from twofold.format import segments
from twofold.format.compression import decompress
from twofold.format.config import Config
from twofold.format.envelope import (
    BODY_LIMIT,
    HEADER,
    Header,
    decode_body,
    encode_body,
)
from twofold.format.image import ExtentsPage, ImagePage, VolumeRecord, iterate_runs, pack_runs
from twofold.format.index import IndexRun
from twofold.format.keyslot import (
    ARGON2ID,
    MAX_ITERATIONS,
    MAX_LANES,
    MAX_MEMORY_KIB,
    SlotParameters,
    SlotPayload,
)
from twofold.format.names import BlobKind, Kind
from twofold.format.pack import (
    MAX_BLOBS,
    MAX_FRAME_RAW,
    MAX_FRAMES,
    Footer,
    PackTable,
)
from twofold.format.pages import (
    FailurePage,
    ListingPage,
    NodeKind,
    ReferencePage,
    SegmentPage,
    decode_page,
)
from twofold.format.records import (
    Mark,
    PageRef,
    Root,
    SessionRecord,
    Tombstone,
    TreeRef,
    decode_record,
)
from twofold.graph import PageStore
from twofold.imaging import plan_restore
from twofold.imaging.placing import parts_of
from twofold.imaging.plan import Target
from twofold.platform import listing
from twofold.seal import Keyring
from twofold.view.streams import Streams

Decode = Callable[[bytes], object]
Change = Callable[[bytes, random.Random], bytes]
_PAGE = b"p" * 32
_UNITS = 1 << 28
_BODY = 1 << 20
_MOST = 1 << 16


class _OnePage:
    """A repository with one metadata blob: the input."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, kind: BlobKind, ident: bytes) -> bytes:
        """The input; ``FormatError`` for any other blob."""
        if ident != _PAGE:
            raise FormatError("there is no such blob")
        return self._data


def _store(data: bytes) -> PageStore:
    return PageStore(_OnePage(data))  # type: ignore[arg-type]


def header(data: bytes) -> None:
    """What is kept of a header is all that it has: nothing escapes the seal."""
    found = Header.decode(data)
    assert found.encode() == data[: HEADER.size]
    with suppress(FormatError):
        KEYS.check(found, Kind.ROOT, ID)
        KEYS.object_seal(found)


def body(data: bytes) -> None:
    """No more than the limit, and the same again when it is stored again."""
    found = decode_body(data, _BODY)
    assert len(found) <= _BODY
    assert decode_body(encode_body(found, _BODY), _BODY) == found


def sealed(data: bytes) -> None:
    """Contents that were sealed as a root of this name, whole or not."""
    contents, healthy = KEYS.open_small(Kind.ROOT, ID, data)
    assert len(contents) <= BODY_LIMIT
    assert healthy in (True, False)


def slot(data: bytes) -> None:
    """No more effort than the bounds."""
    found, commitment = SlotParameters.decode(data)
    assert len(commitment) == 32
    if found.kdf == ARGON2ID:
        assert 1 <= found.iterations <= MAX_ITERATIONS and 1 <= found.lanes <= MAX_LANES
        assert 8 * found.lanes <= found.memory_kib <= MAX_MEMORY_KIB


def table(data: bytes) -> None:
    """Frames in order whose blobs add up; the same again when it is encoded."""
    found = PackTable.decode(data)
    assert len(found.frames) <= MAX_FRAMES
    assert sum(len(frame.blobs) for frame in found.frames) <= MAX_BLOBS
    for number, frame in enumerate(found.frames, 1):
        assert frame.ordinal == number and 0 <= frame.raw_length <= MAX_FRAME_RAW
        assert not frame.blobs or sum(size for _, size in frame.blobs) == frame.raw_length
    assert PackTable.decode(found.encode()) == found


def footer(data: bytes) -> None:
    """Places in their order."""
    found = Footer.decode(data)
    assert Footer.decode(found.encode()) == found
    assert 0 <= found.table_offset <= found.digests_offset <= found.parity_offset
    assert found.parity_length >= 0


def index(data: bytes) -> None:
    """A blob that is found lies inside of its frame; one that was proven has all in order."""
    run = IndexRun(data)
    ids = list(run.ids())
    proven = True
    try:
        run.prove()
    except FormatError:
        proven = False
    assert not proven or ids == sorted(ids)
    for position, ident in enumerate(ids[:64]):
        if proven:
            assert position in run.positions(ident)
        with suppress(FormatError):
            found = run.location(position)
            assert found.offset + found.length <= found.frame.raw_length
    assert len(list(run.packs())) == run.pack_count
    with suppress(FormatError):
        entries = run.pack_entries()
        assert [f.offset for e in entries for f in e.frames] == [f.offset for _, f in run.frames()]


def packed(data: bytes) -> None:
    """Exactly the length that the metadata told."""
    size = int.from_bytes(data[1:5], "little") % _MOST
    assert len(decompress(data[0] if data else 0, data[5:], size)) == size


def segment_list(data: bytes) -> None:
    """Blobs by ids of 32 bytes, zeros, what is not stored; and nothing that packing would lose."""
    found = list(segments.iterate(data))
    assert all(length >= 0 for _, length in found)
    again = b"".join(_segment(*each) for each in found)
    assert list(segments.iterate(again)) == found and len(again) == len(data)


def _segment(blob: bytes | segments.Absence | None, length: int) -> bytes:
    if isinstance(blob, segments.Absence):
        return segments.pack_absent(blob, length)
    assert blob is None or len(blob) == 32
    return segments.pack_zeros(length) if blob is None else segments.pack_blob(blob, length)


def holes(data: bytes) -> None:
    """Ascending, apart, none empty."""
    found = segments.iterate_holes(data)
    end = 0
    for start, length in found:
        assert start >= end and length > 0
        end = start + length
    assert segments.pack_holes(found) == data


def runs(data: bytes) -> None:
    """Inside of the volume, none empty."""
    found = list(iterate_runs(data, _UNITS))
    for first, units in found:
        assert units > 0 and (first == -1 or 0 <= first <= _UNITS - units)
    assert list(iterate_runs(pack_runs(found), _UNITS)) == found


def nodes(data: bytes) -> None:
    """As a restore uses a directory: names are names, owners are there, contents add up."""
    store = _store(data)
    last = b""
    for node, owner in store.nodes(TreeRef(_PAGE)):
        assert node.name > last and node.name not in (b".", b"..")
        assert b"/" not in node.name and b"\0" not in node.name
        assert owner.user is not None and node.kind in set(NodeKind)
        assert node.kind != NodeKind.DIRECTORY or node.ref is not None
        last = node.name
        if node.kind == NodeKind.FILE:
            with suppress(FormatError):
                assert sum(segment.length for segment in store.segments(node)) == node.size >= 0
        if node.more:
            with suppress(FormatError):
                segments.iterate_holes(node.more.holes)
    with suppress(FormatError):
        found = store.find(TreeRef(_PAGE), last)
        assert not last or (found is not None and found.node.name == last)


def listed(data: bytes) -> None:
    """Names of a directory in order."""
    page = decode_page(data, ListingPage)
    names = [entry.name for entry in listing.iterate(page.packed)]
    assert names == sorted(set(names))
    assert not any(b"/" in name or b"\0" in name or name in (b"", b".", b"..") for name in names)
    assert len(listing.with_flags(page.packed, dict.fromkeys(names, 1))) == len(page.packed)


def references(data: bytes) -> None:
    """A page of the level that led to it, and a way down for every name."""
    level = decode_page(data, ReferencePage).level
    store = _store(data)
    found = store.references(_PAGE, level)
    assert 0 < level <= 8 and all(isinstance(ref.id, bytes) for ref in found)
    for name in (b"", b"name", b"\xff" * 9):
        with suppress(FormatError):
            store.find(TreeRef(_PAGE, level), name)


def segment_page(data: bytes) -> None:
    """Records of a long stream."""
    segment_list(decode_page(data, SegmentPage).packed)


def failures(data: bytes) -> None:
    """What can be told."""
    for failure in decode_page(data, FailurePage).failures:
        assert isinstance(failure.path, bytes) and failure.action + failure.reason is not None


def root(data: bytes) -> None:
    """A snapshot's body."""
    found = decode_record(data, Root)
    found.check()
    assert isinstance(found.totals.id, bytes) and all(isinstance(x, bytes) for x in found.sources)
    assert all(isinstance(count, int) for count in found.counts.values())


def session(data: bytes) -> None:
    """Who is at work."""
    assert isinstance(decode_record(data, SessionRecord).role, str)


def mark(data: bytes) -> None:
    """When something was forgotten."""
    assert isinstance(decode_record(data, Mark).time_ns, int)


def config(data: bytes) -> None:
    """Sizes that the program can work with."""
    found = decode_record(data, Config)
    found.check()
    ChunkerParams.from_stored(found.chunk_min, found.chunk_normal, found.chunk_max, found.chunk_nc)
    assert 1 << 16 <= found.frame_size <= 16 << 20 and 1 << 20 <= found.pack_size <= 1 << 30


def tombstone(data: bytes) -> None:
    """Objects that a run wants to delete."""
    for target in decode_record(data, Tombstone).targets:
        assert isinstance(target.id, bytes) and isinstance(target.kind, int)


def payload(data: bytes) -> None:
    """Keys that open what they seal."""
    found = decode_record(data, SlotPayload)
    found.check()
    keys = Keyring(ID, found.masters, found.dedup, 1)
    file = keys.seal_small(Kind.ROOT, ID, b"contents")
    assert keys.open_small(Kind.ROOT, ID, file) == (b"contents", True)


def image(data: bytes) -> None:
    """A disk whose parts lie inside of it, when it may be restored."""
    page = decode_page(data, ImagePage)
    page.check()
    target = Target(b"/target", 1 << 50, 512, is_device=False, fresh=True)
    for part in (None, *(volume.called for volume in page.volumes[:3] if volume.number)):
        with suppress(RefusedUnsafe, NothingDone):
            plan = plan_restore(page, target, part)
            assert plan.size >= 0
            for placed in plan.parts:
                size = placed.volume.size
                for start, length in placed.pieces or ((placed.at, size),):
                    assert 0 <= start <= plan.size - length
                assert not placed.pieces or size == sum(n for _, n in placed.pieces)


def _volume(unit: int, units: int, origin: int = 0) -> VolumeRecord:
    size = origin + unit * units
    return volume_of(size, unit, units, origin=origin, entries=PageRef(_PAGE))


VOLUMES = (_volume(4096, 1 << 14), _volume(512, 9000, 65536), _volume(0, 0), _volume(1, 1 << 27))


def extents(data: bytes) -> None:
    """Where the entries of a volume lie, for who reads an image and for who restores it."""
    decode_page(data, ExtentsPage)
    store = _store(data)
    for volume in VOLUMES:
        with suppress(FormatError, DamageFound):
            end = 0
            for start, stop in Streams(store, None, volume).spans.extents():  # type: ignore[arg-type]
                assert end <= start < stop <= volume.size
                end = stop
        with suppress(FormatError, DamageFound):
            for entry in store.extents(PageRef(_PAGE)):
                for part in parts_of(store, volume, entry, 0):
                    assert part.length == sum(span.length for span in part.spans)
                    assert part.pad >= 0
                    for offset, length in part.spans:
                        assert offset == -1 or 0 <= offset <= volume.size - length


@dataclass(frozen=True)
class Format:
    """A decoder with its promises, and how its samples are changed by structure."""

    decode: Decode
    change: Change


FORMATS: dict[str, Format] = {
    "header": Format(header, layouts.header),
    "plain body": Format(body, layouts.body),
    "packed body": Format(body, layouts.body),
    "object": Format(sealed, layouts.sealed),
    "slot": Format(slot, layouts.slot),
    "table": Format(table, layouts.table),
    "footer": Format(footer, layouts.footer),
    "index": Format(index, layouts.index),
    "zstd": Format(packed, layouts.packed),
    "segments": Format(segment_list, records_changed),
    "holes": Format(holes, records_changed),
    "nodes": Format(nodes, changed),
    "listing": Format(listed, changed),
    "references": Format(references, changed),
    "segment page": Format(segment_page, changed),
    "failures": Format(failures, changed),
    "root": Format(root, changed),
    "session": Format(session, changed),
    "mark": Format(mark, changed),
    "config": Format(config, changed),
    "image": Format(image, changed),
    "extents": Format(extents, changed),
    "runs": Format(runs, records_changed),
    "tombstone": Format(tombstone, changed),
    "payload": Format(payload, changed),
}


_REFUSED = frozenset(("config", "listing", "segment page", "image"))
"""Of these that one is refused by who uses what was decoded; those of real repositories are not."""


def samples(name: str) -> Iterator[bytes]:
    """The one that holds each field once, as the decoder here wants it."""
    data = SAMPLES[name][0]
    if name in _REFUSED:
        return
    yield b"\1" + (10_000).to_bytes(4, "little") + data if name == "zstd" else data
