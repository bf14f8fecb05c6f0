"""One volume of an image: its file system's streams, then everything else that is in use.

What was stored is proven before it counts: the units that the entries as encoded cover must be
those in use, no more and no fewer. Where the file system's map is in doubt (``Facts.doubt``) all
units are kept, as in an exact image; those that are zeros cost next to nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from twofold.disk.base import BlockReader, Facts, UsedBlocks
from twofold.disk.bitmap import full
from twofold.disk.blocks import joined
from twofold.disk.probe import open_file_system, open_used_blocks
from twofold.disk.recognise import recognise
from twofold.errors import DamageFound, FormatError, TwofoldError
from twofold.format.image import ExtentEntry, VolumeRecord, iterate_runs, limited, pack_runs
from twofold.format.segments import Absence, pack_absent
from twofold.graph import PageStore
from twofold.imaging.coverage import bytes_of, covered, raw_bytes, touched
from twofold.imaging.gather import Gathered, Wanted, gather
from twofold.imaging.logical import left_of
from twofold.imaging.part import Part
from twofold.imaging.raw import UNKNOWN_PIECE, Range, RawStore
from twofold.imaging.read import Layout
from twofold.imaging.store import META_PIECE, StreamStore
from twofold.imaging.units import UnitSet
from twofold.pipeline import Run, write_segments
from twofold.pipeline.extents import write_extents

OpenedT = TypeVar("OpenedT")
OpenedT_co = TypeVar("OpenedT_co", covariant=True)


class Opener(Protocol[OpenedT_co]):
    """Finds a file system on a volume, None when there is none that it knows."""

    def __call__(self, reader: BlockReader, *, frozen: bool) -> OpenedT_co | None: ...


@dataclass(frozen=True, slots=True)
class VolumeOptions:
    """``exact``: every sector. ``skip_unchanged``: trust the stamps of the image before.

    ``frozen``: file systems were flushed before their volumes were frozen.
    """

    exact: bool = False
    skip_unchanged: bool = False
    keep_discardable: bool = False
    frozen: bool = False


class VolumeCapture:
    """Stores one partition or logical volume; of one with volumes in it, what is left of it."""

    def __init__(self, run: Run, reader: BlockReader, part: Part, options: VolumeOptions) -> None:
        self._run = run
        self._part = part
        self._options = options
        self._reader = part.of(reader)
        self._whole = options.exact
        self.bytes_read = 0
        self.kept_free = 0
        """Bytes that count as free and were kept because the map is in doubt."""
        self.notes: list[str] = []

    def store(self, before: VolumeRecord | None) -> VolumeRecord:
        """Read and store everything in use; ``before`` is the same volume in an earlier image."""
        if self._part.taken:
            return self._unknown()
        system = self._opened(open_file_system)
        if system is None:
            mapped = self._opened(open_used_blocks)
            return self._unknown() if mapped is None else self._mapped(mapped)
        facts = system.facts
        self._whole = self._whole or bool(facts.doubt)
        found = gather(system, keep=self._options.keep_discardable)
        self.notes += system.facts.notes  # going through its files told of more
        self.notes += found.notes
        layout = Layout(self._reader, facts.origin, facts.unit, facts.units)
        entries = list(self._streams(found, layout, before))
        entries += self._rest(facts, found.used, found.claimed)
        self._prove(facts, found.used, entries)
        if facts.doubt and not self._options.exact:
            self.notes.append(_told(facts.doubt, self.kept_free))
        used = len(found.used) * facts.unit + self.kept_free
        return self._record(facts, entries, used)

    def _opened(self, opener: "Opener[OpenedT]") -> OpenedT | None:
        try:
            return opener(self._reader, frozen=self._options.frozen)
        except FormatError as error:
            self.notes.append(f"its file system is not understood ({error}); it is kept as it is")
            return None

    # with a file system

    def _streams(
        self, found: Gathered, layout: Layout, before: VolumeRecord | None
    ) -> Iterator[ExtentEntry]:
        streams = sorted(found.streams, key=lambda wanted: wanted.key)
        found.streams = streams
        known = self._known(streams, before)
        segments: list[list[bytes]] = [[] for _ in streams]
        store = StreamStore(self._run, layout, found.claimed)
        unknown = [p for p in range(len(streams)) if p not in known]
        store.store(streams, unknown, segments)
        self.bytes_read += store.bytes_read
        self._run.flow.settle()
        for position in store.torn:  # they prove nothing unchanged
            streams[position] = streams[position]._replace(stamp=b"")
        made = [
            known.get(position) or self._entry(wanted, segments[position], found.claimed, layout)
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

    def _known(
        self, streams: Sequence[Wanted], before: VolumeRecord | None
    ) -> dict[int, ExtentEntry]:
        """Streams that the file system proves unchanged, with their entries of the image before.

        A stream with a stamp was given back by its entry alone, down to the last unit.
        """
        run = self._run
        if before is None or not self._options.skip_unchanged or run.doomed or run.index.absent:
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
            return {}
        return found

    # without, or what is left

    def _rest(self, facts: Facts, used: UnitSet, claimed: UnitSet) -> Iterator[ExtentEntry]:
        left = UnitSet(facts.units, full(facts.units)) if self._whole else used
        ranges = bytes_of(facts, left.without(claimed), self._part.size)
        store = self._stored(ranges, META_PIECE)
        if facts.doubt and not self._options.exact:
            filled = UnitSet(facts.units)
            for start, length in store.filled():
                filled.add(*touched(facts, start, length))
            self.kept_free = len(filled.without(used)) * facts.unit
        yield from store.finish()

    def _mapped(self, system: UsedBlocks) -> VolumeRecord:
        facts = system.facts
        self.notes += facts.notes
        used = UnitSet(facts.units, system.allocation())
        entries = list(self._rest(facts, used, UnitSet(facts.units)))
        return self._record(facts, entries, len(used) * facts.unit)

    def _unknown(self) -> VolumeRecord:
        part, sector = self._part, self._reader.sector_size
        facts = Facts(
            kind=recognise(self._reader).kind.lower(),
            label=part.label,
            unit=sector,
            units=part.size // sector,
        )
        ranges = list(left_of(part))
        entries = list(self._stored(ranges, UNKNOWN_PIECE).finish())
        if list(joined(raw_bytes(entries, part.size))) != ranges:
            raise self._bug()
        return self._record(facts, entries, sum(length for _, length in ranges), exact=True)

    def _stored(self, ranges: Iterable[Range], step: int) -> RawStore:
        store = RawStore(self._run, self._reader, step)
        store.store(ranges)
        self.bytes_read += store.bytes_read
        self._run.flow.settle()
        return store

    def _record(
        self, facts: Facts, entries: list[ExtentEntry], used: int, *, exact: bool = False
    ) -> VolumeRecord:
        run, part = self._run, self._part
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
            exact=exact or self._options.exact,
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


def _same(wanted: Wanted, entry: ExtentEntry) -> bool:
    return (
        bool(wanted.stamp)
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
