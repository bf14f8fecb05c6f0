"""One image, from the first sector to the commit: the frame, then volume after volume."""

from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from twofold.disk.base import BlockReader
from twofold.disk.blocks import fill, forget, glance, hole_at, physical_sector, unread_in
from twofold.errors import DamageFound
from twofold.events import Emit, Notice, Phase, Progress
from twofold.format.image import IMAGE, ImagePage, VolumeRecord, limited
from twofold.format.pages import encode_page
from twofold.format.records import PageRef
from twofold.graph import PageStore
from twofold.imaging.ahead import Ahead
from twofold.imaging.part import Part
from twofold.imaging.patient import PATIENCE, Fate, PatientReader
from twofold.imaging.raw import UNKNOWN_PIECE, RawStore
from twofold.imaging.source import Source
from twofold.imaging.volume import VolumeCapture, VolumeOptions
from twofold.pipeline import Contents, Outcome, Run, RunSpec
from twofold.pipeline.extents import write_extents
from twofold.platform import Platform
from twofold.repository import Repository


class ImageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to image: the disk's path as the user said it, and how; ``past_ns`` as in RunSpec.

    ``patience``: seconds that bad sectors may cost once everything else was read.
    """

    path: bytes
    options: VolumeOptions = msgspec.field(default_factory=VolumeOptions)
    name: str = ""
    tags: tuple[str, ...] = ()
    host: str = ""
    dry_run: bool = False
    past_ns: int | None = None
    patience: float = PATIENCE


class Captured(NamedTuple):
    """What came of it. ``kept_free``: bytes that count as free, of volumes with maps in doubt."""

    outcome: Outcome
    kept_free: int


def capture(
    repository: Repository, platform: Platform, source: Source, request: ImageRequest, emit: Emit
) -> Captured:
    """Make an image of a disk. Sectors that cannot be read are events and stand in the ledger.

    Raises ``Fenced``, ``NoSpace``, ``StoreError`` and other repository errors.
    """
    spec = RunSpec(
        kind="image",
        sources=(request.path,),
        name=request.name,
        tags=request.tags,
        host=request.host,
        dry_run=request.dry_run,
        past_ns=request.past_ns,
    )
    for note in source.notes:
        emit(Notice(note))
    with Run.begin(repository, platform, spec, emit) as run:
        return _Capture(run, source, request).run()


class _Capture:
    def __init__(self, run: Run, source: Source, request: ImageRequest) -> None:
        self._run = run
        self._source = source
        self._request = request
        self._key = run.repository.keys.dedup.page
        self._patient = PatientReader(
            source.reader, patience=request.patience, refused=self._tell_refusal
        )
        self._reader = _Counting(self._patient, run.emit, source)
        self._ahead = Ahead(run.flow.worker_count, self._reader.count)
        self._kept_free = 0

    def run(self) -> Captured:
        """First what the disk gives at once, of all volumes; then what it refused, backwards."""
        with self._ahead:
            return self._all()

    def _all(self) -> Captured:
        previous = self._previous()
        total = previous.bytes_total if previous is not None else None
        self._run.emit(Phase("imaging", total))
        frame = RawStore(self._run, self._reader, UNKNOWN_PIECE, self._ahead)
        frame.store(self._source.frame)
        options = replace(
            self._request.options,
            frozen=self._source.frozen,
            skip_unchanged=previous is not None and previous.stands,
        )
        records: dict[int, VolumeRecord] = {}
        waiting: list[VolumeCapture] = []
        for part in self._source.parts:
            forget(self._source.reader)  # what was looked at may be hours old, if it is in use
            work = VolumeCapture(self._run, self._reader, part, _for(part, options), self._ahead)
            work.read(previous.volume(part) if previous is not None else None)
            if work.is_waiting:
                waiting.append(work)
            else:
                records[part.number] = self._finished(work)
        frame.store_waiting()
        for work in reversed(waiting):
            records[work.number] = self._finished(work)
        self._tell_lost()
        volumes = [self._frame(frame), *(records[part.number] for part in self._source.parts)]
        return Captured(self._commit(volumes), self._kept_free)

    def _finished(self, work: VolumeCapture) -> VolumeRecord:
        record = work.finish()
        for note in work.notes:
            self._run.emit(Notice(f"p{work.called}: {note}"))
        self._run.ledger.bytes_read += work.bytes_read
        self._kept_free += work.kept_free
        return record

    def _tell_refusal(self, offset: int) -> None:
        minutes = self._request.patience / 60
        text = f"the disk refuses what is at byte {offset}; sectors there will be tried one by one"
        self._run.emit(Notice(f"{text} at the end, for up to {minutes:g} minutes in all"))

    def _tell_lost(self) -> None:
        for offset, length, fate in self._patient.lost():
            reason = f"{length} bytes at {offset} cannot be read; they are not stored"
            if fate is Fate.UNTRIED:
                reason = (
                    f"{length} bytes at {offset} lie among sectors that cannot be read, and time"
                    " was up before they were tried one by one; they are not stored"
                )
            self._run.ledger.failed(self._request.path, "read", reason)

    def _frame(self, store: RawStore) -> VolumeRecord:
        source, flow = self._source, self._run.flow
        flow.settle()
        self._run.ledger.bytes_read += store.bytes_read
        size, sector = source.reader.size, source.sector_size
        return VolumeRecord(
            number=0,
            start=0,
            size=size,
            sort="",
            name="",
            guid="",
            system="",
            label="",
            serial="",
            unit=sector,
            units=size // sector,
            origin=0,
            used=sum(length for _, length in source.frame),
            exact=True,
            entries=write_extents(flow.save_page, self._key, store.finish()),
        )

    def _commit(self, volumes: list[VolumeRecord]) -> Outcome:
        source, flow = self._source, self._run.flow
        page = ImagePage(
            IMAGE,
            source.reader.size,
            source.reader.sector_size,
            physical_sector(source.reader),
            source.table,
            source.sector_size,
            limited(source.disk_id),
            volumes,
        )
        contents = Contents(
            image=PageRef(flow.save_page(encode_page(page))),
            bytes_total=sum(volume.used for volume in volumes),
        )
        return self._run.commit(self._run.root(contents))

    def _previous(self) -> "_Previous | None":
        """The newest whole image of the same disk, if it can be read."""
        snapshot = self._run.previous()
        if snapshot is None or snapshot.root.image is None:
            return None
        pages = PageStore(self._run.repository.blob_reader(self._run.index))
        try:
            page = pages.image(snapshot.root.image)
        except DamageFound:
            self._run.doubt_metadata()
            return None
        stands = self._request.options.skip_unchanged and self._run.stands(snapshot)
        if stands:
            self._run.inherited.append(snapshot.id)
        return _Previous(page, snapshot.root.bytes_total, stands)


def _for(part: Part, options: VolumeOptions) -> VolumeOptions:
    """All of a partition that has not its bytes for itself, and none of it taken for unchanged."""
    if not part.shared:
        return options
    return replace(options, exact=True, keep_discardable=True, skip_unchanged=False)


class _Previous(msgspec.Struct, frozen=True):
    """``stands``: what it proves unchanged may be taken over."""

    page: ImagePage
    bytes_total: int
    stands: bool

    def volume(self, part: Part) -> VolumeRecord | None:
        """The same volume: by its number, or for one in another volume by its id."""
        return next((v for v in self.page.volumes if _is_same(v, part)), None)


def _is_same(volume: VolumeRecord, part: Part) -> bool:
    if not part.parent:
        return not volume.parent and volume.number == part.number
    return bool(part.guid) and (volume.parent, volume.guid) == (part.parent, limited(part.guid))


class _Counting:
    """Tells how much was read."""

    def __init__(self, reader: BlockReader, emit: Emit, source: Source) -> None:
        self._reader = reader
        self._emit = emit
        self._done = 0
        self.size = source.reader.size
        self.sector_size = source.reader.sector_size

    def read(self, offset: int, length: int) -> bytes:
        data = self._reader.read(offset, length)
        self.count(length)
        return data

    def count(self, length: int) -> None:
        """So many bytes more were read."""
        self._done += length
        if length >= _TOLD:
            self._emit(Progress(self._done, 0))

    def glance(self, offset: int, length: int) -> bytes | None:
        """What the disk gives at once."""
        data = glance(self._reader, offset, length)
        self.count(length)
        return data

    def fill(self, offset: int, view: memoryview) -> bool:
        """As the disk can; whoever takes the bytes has them counted."""
        return fill(self._reader, offset, view)

    def hole(self, offset: int) -> int:
        """As the disk says."""
        return hole_at(self._reader, offset)

    def unread(self, offset: int, length: int) -> list[tuple[int, int]]:
        """As the disk was."""
        return unread_in(self._reader, offset, length)


_TOLD = 1 << 20
