"""One volume of an image: its file system's streams, then everything else that is in use.

What was stored is proven before it counts: the units that the entries as encoded cover must be
those in use, no more and no fewer. Where the file system's map is in doubt (``Facts.doubt``) all
units are kept, as in an exact image; those that are zeros cost next to nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

import msgspec

from twofold.disk.base import BlockReader, Facts, FileSystem
from twofold.disk.bitmap import full
from twofold.disk.blocks import joined
from twofold.disk.probe import open_file_system, open_used_blocks
from twofold.disk.recognise import recognise
from twofold.errors import DamageFound, FormatError, TwofoldError
from twofold.format.image import ExtentEntry, VolumeRecord, iterate_runs, limited, pack_runs
from twofold.format.segments import Absence, pack_absent
from twofold.graph import PageStore
from twofold.imaging.ahead import Ahead
from twofold.imaging.coverage import bytes_of, covered, raw_bytes, touched
from twofold.imaging.gather import Gathered, Wanted, gather
from twofold.imaging.part import Part
from twofold.imaging.raw import UNKNOWN_PIECE, Range, RawStore
from twofold.imaging.read import Layout
from twofold.imaging.store import META_PIECE, StreamStore
from twofold.imaging.units import UnitSet
from twofold.pipeline import Run, write_segments
from twofold.pipeline.extents import write_extents

_BY_BOOT_LOADERS = frozenset({1024, 65_536, 67_584})
"""Sizes of files that boot loaders write past the file system, so that no stamp tells of it: the
environment of GRUB, the records that Windows keeps of its starts (bootstat.dat)."""

OpenedT = TypeVar("OpenedT")
OpenedT_co = TypeVar("OpenedT_co", covariant=True)


class Opener(Protocol[OpenedT_co]):
    """Finds a file system on a volume, None when there is none that it knows."""

    def __call__(self, reader: BlockReader, *, frozen: bool) -> OpenedT_co | None: ...


class VolumeOptions(msgspec.Struct, frozen=True):
    """``exact``: every sector. ``skip_unchanged``: trust the stamps of the image before.

    ``frozen``: file systems were flushed before their volumes were frozen.
    """

    exact: bool = False
    skip_unchanged: bool = False
    keep_discardable: bool = False
    frozen: bool = False


class VolumeCapture:
    """Stores one partition or logical volume; of one with volumes in it, what is left of it."""

    def __init__(
        self, run: Run, reader: BlockReader, part: Part, options: VolumeOptions, ahead: Ahead
    ) -> None:
        self._run = run
        self._ahead = ahead
        self._part = part
        self._options = options
        self._reader = part.of(reader)
        self._whole = options.exact
        self._known: dict[int, ExtentEntry] = {}
        self._found: Gathered | None = None
        self._streams: StreamStore | None = None
        self._segments: list[list[bytes]] = []
        self._unknown: list[Range] | None = None
        self.number, self.called = part.number, part.called
        self.kept_free = 0
        """Bytes that count as free and were kept because the map is in doubt."""
        self.notes: list[str] = []

    def read(self, before: VolumeRecord | None) -> None:
        """Read and store everything in use that the disk gives at once.

        ``before`` is the same volume in an earlier image.
        """
        if self._part.taken:
            self._store_unknown()
            return
        system = self._opened(open_file_system)
        mapped = self._opened(open_used_blocks) if system is None else None
        if system is not None:
            self._follow(system, before)
        elif mapped is not None:
            self._facts, self._used = mapped.facts, UnitSet(mapped.facts.units, mapped.allocation())
            self.notes += self._facts.notes
            self._store_rest(UnitSet(self._facts.units))
        else:
            self._store_unknown()

    def finish(self) -> VolumeRecord:
        """Store what the disk did not give at once; the volume as it is in the image."""
        facts, found = self._facts, self._found
        if self._streams is not None and found is not None and self._streams.is_waiting:
            self._streams.store_waiting()
            self._raw.amend(self._left(found.claimed))
        self._raw.store_waiting()
        self._run.flow.settle()
        entries = list(self._stream_entries(found)) if found is not None else []
        self._count_free()
        entries += self._raw.finish()
        if found is not None:
            self._prove(facts, found.used, entries)
        if self._unknown not in (None, list(joined(raw_bytes(entries, self._part.size)))):
            raise self._bug()
        if facts.doubt and not self._options.exact:
            self.notes.append(_told(facts.doubt, self.kept_free))
        return self._record(facts, entries)

    @property
    def is_waiting(self) -> bool:
        """Whether the disk did not give everything at once."""
        streams = self._streams
        return self._raw.is_waiting or (streams is not None and streams.is_waiting)

    @property
    def bytes_read(self) -> int:
        """Bytes that were read to be stored."""
        streams = self._streams
        return self._raw.bytes_read + (streams.bytes_read if streams is not None else 0)

    def _opened(self, opener: "Opener[OpenedT]") -> OpenedT | None:
        try:
            return opener(self._reader, frozen=self._options.frozen)
        except FormatError as error:
            self.notes.append(f"its file system is not understood ({error}); it is kept as it is")
            return None

    # with a file system

    def _follow(self, system: FileSystem, before: VolumeRecord | None) -> None:
        facts = self._facts = system.facts
        self._whole = self._whole or bool(facts.doubt)
        found = self._found = gather(system, keep=self._options.keep_discardable)
        self.notes += system.facts.notes  # going through its files told of more
        self._used = found.used
        self.notes += found.notes
        self._layout = Layout(self._reader, facts.origin, facts.unit, facts.units)
        found.streams = streams = sorted(found.streams, key=lambda wanted: wanted.key)
        self._known = self._unchanged(streams, before)
        self._segments = [[] for _ in streams]
        self._streams = StreamStore(self._run, self._layout, found.claimed, self._ahead)
        unknown = [p for p in range(len(streams)) if p not in self._known]
        self._streams.store(streams, unknown, self._segments)
        self._store_rest(found.claimed)

    def _stream_entries(self, found: Gathered) -> Iterator[ExtentEntry]:
        """After the flow has settled."""
        assert self._streams is not None
        self._streams.finish()
        layout, streams, known = self._layout, found.streams, self._known
        for position in self._streams.torn:  # they prove nothing unchanged
            streams[position] = streams[position]._replace(stamp=b"")
        made = [
            known.get(position)
            or self._entry(wanted, self._segments[position], found.claimed, layout)
            for position, wanted in enumerate(streams)
        ]
        left_out = Absence.LEFT_OUT
        if found.discarded:
            made += [
                self._entry(w, [pack_absent(left_out, w.size)], None, layout)
                for w in found.discarded
            ]
            made.sort(key=lambda entry: (entry.role, entry.owner, entry.name))
        yield from made

    def _entry(
        self, wanted: Wanted, parts: list[bytes], claimed: UnitSet | None, layout: Layout
    ) -> ExtentEntry:
        if len(parts) == 1:
            content, ref = parts[0], None
        else:
            content, ref = write_segments(self._run.flow.save_page, parts)
        whole = claimed is not None and wanted.stamp and _all_claimed(claimed, wanted, layout)
        return ExtentEntry(
            owner=wanted.owner,
            name=wanted.name,
            role=wanted.role,
            size=wanted.size,
            runs=wanted.runs,
            content=content,
            ref=ref.page if ref is not None else None,
            stamp=wanted.stamp if whole else b"",
        )

    def _unchanged(
        self, streams: Sequence[Wanted], before: VolumeRecord | None
    ) -> dict[int, ExtentEntry]:
        """Streams that the file system proves unchanged, with their entries of the image before.

        A stream with a stamp was given back by its entry alone, down to the last unit.
        """
        run = self._run
        if before is None or not self._options.skip_unchanged:
            return {}
        if not _is_of(before, self._facts):
            return {}
        pages = PageStore(run.repository.blob_reader(run.index))
        found: dict[int, ExtentEntry] = {}
        positions = {wanted.key: position for position, wanted in enumerate(streams)}
        try:
            for entry in pages.extents(before.entries):
                position = positions.get((entry.role, entry.owner, entry.name), -1)
                if position >= 0 and _same(streams[position], entry):
                    found[position] = entry
        except DamageFound:
            run.doubt_metadata()
            return {}
        return found

    # without, or what is left

    def _store_rest(self, claimed: UnitSet) -> None:
        self._store_raw(self._left(claimed), META_PIECE)

    def _left(self, claimed: UnitSet) -> Iterable[Range]:
        """What no stream holds."""
        facts = self._facts
        left = UnitSet(facts.units, full(facts.units)) if self._whole else self._used
        return bytes_of(facts, left.without(claimed), self._part.size)

    def _count_free(self) -> None:
        """How much was kept of what counts as free, after the flow has settled."""
        facts = self._facts
        if facts.doubt and not self._options.exact:
            filled = UnitSet(facts.units)
            for start, length in self._raw.filled():
                filled.add(*touched(facts, start, length))
            self.kept_free = len(filled.without(self._used)) * facts.unit

    def _store_unknown(self) -> None:
        part, sector = self._part, self._reader.sector_size
        self._facts = Facts(
            kind=recognise(self._reader).kind.lower(),
            label=part.label,
            unit=sector,
            units=part.size // sector,
        )
        self._unknown = list(part.left())
        self._store_raw(self._unknown, UNKNOWN_PIECE)

    def _store_raw(self, ranges: Iterable[Range], step: int) -> None:
        self._raw = RawStore(self._run, self._reader, step, self._ahead)
        self._raw.store(ranges)

    def _record(self, facts: Facts, entries: list[ExtentEntry]) -> VolumeRecord:
        run, part, ranges = self._run, self._part, self._unknown
        if ranges is None:
            used = facts.in_use(len(self._used), part.size) + self.kept_free
        else:
            used = sum(length for _, length in ranges)
        return VolumeRecord(
            number=part.number,
            start=0 if part.parent else part.start,
            size=part.size,
            sort=part.sort,
            name=limited(part.name),
            guid=part.guid,
            system=facts.kind,
            label=limited(facts.label),
            serial=limited(facts.serial),
            unit=facts.unit,
            units=facts.units,
            origin=facts.origin,
            used=used,
            exact=ranges is not None or self._options.exact,
            entries=write_extents(run.flow.save_page, run.repository.keys.dedup.page, entries),
            parent=part.parent,
            runs=pack_runs(part.runs),
        )

    def _prove(self, facts: Facts, used: UnitSet, entries: Iterable[ExtentEntry]) -> None:
        wanted = UnitSet(facts.units, full(facts.units)) if self._whole else used
        if covered(facts, entries, self._part.size) != wanted:
            raise self._bug()

    def _bug(self) -> TwofoldError:
        return TwofoldError(
            f"the image of partition {self._part.called} would not hold what is in use",
            hint="nothing was committed; this is a bug: please report it",
        )


def _is_of(before: VolumeRecord, facts: Facts) -> bool:
    """Whether an earlier image is of the same file system, not of another one in its place.

    Another one may well have files with the same stamps: tools that fill a volume from a folder
    give them the times of its files.
    """
    known = before.system, before.serial, before.unit, before.origin
    return known == (facts.kind, limited(facts.serial), facts.unit, facts.origin)


def _same(wanted: Wanted, entry: ExtentEntry) -> bool:
    return (
        bool(wanted.stamp)
        and wanted.size not in _BY_BOOT_LOADERS
        and wanted.stamp == entry.stamp
        and wanted.size == entry.size
        and wanted.runs == entry.runs
    )


def _all_claimed(claimed: UnitSet, wanted: Wanted, layout: Layout) -> bool:
    if wanted.units:
        return claimed.holds(wanted.first, wanted.units)
    for first, units in iterate_runs(wanted.runs, layout.units):
        if first >= 0 and not claimed.holds(first, units):
            return False
    return True


def _told(doubt: str, kept: int) -> str:
    return (
        f"{doubt}, so clusters that count as free were kept as well, for only its log may know of"
        f" files there; {kept:,} bytes of them are not zero"
    )
