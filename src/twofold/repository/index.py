"""The index in memory: all runs of each kind, searched newest first.

An index object that cannot be read costs nothing: its packs are found as orphans (they are in no
readable index) and their own tables are used instead, which is also how packs finished by a run
that died are adopted (protocol.md, A2). For an index object that is gone nobody can miss it until a
blob is looked for in vain: then, once, a reader looks again (B4).

The listing of the packs decides, not the index (A1): what a pack held that is gone or has another
size than it should counts as absent for a writer, who stores it again. So does what lies in a pack
that is known to have lost some of its contents; readers look for it elsewhere first.
"""

import threading
from collections.abc import Callable, Iterable, Iterator

from twofold.backend import Backend
from twofold.errors import DamageFound, FormatError, NewerFormat, ObjectNotFound
from twofold.events import Finding, Severity
from twofold.format import names
from twofold.format.index import (
    BlobLocation,
    IndexRun,
    PackEntry,
    encode_index,
)
from twofold.format.names import BlobKind
from twofold.repository.index_cache import IndexCache
from twofold.repository.objects import ObjectStore, peek_header
from twofold.repository.pack_reader import PackReader


class Index:
    """Where every blob lies. Reading threads may share it."""

    def __init__(self) -> None:
        self.runs: dict[BlobKind, list[IndexRun]] = {kind: [] for kind in BlobKind}
        self.loaded: set[bytes] = set()
        self.damaged: list[bytes] = []
        self.absent: frozenset[bytes] = frozenset()
        """Packs listed that are gone, or of another size."""
        self.lost: frozenset[bytes] = frozenset()
        """Packs that are known not to give all that was in them."""
        self.version = 0
        """Grows with every change of what a writer may rely on."""
        self.adopted: list[tuple[BlobKind, PackEntry]] = []
        """Packs that were in no readable index object."""
        self._likely: dict[BlobKind, IndexRun] = {}
        """The run that listed the blob last asked for: those stored together are asked together."""
        self._rescue: Callable[[], object] | None = None
        self._rescuing = threading.Lock()
        self._noting = threading.Lock()

    def add(self, kind: BlobKind, run: IndexRun) -> None:
        """Take in one more run."""
        self.runs[kind].append(run)
        self.version += 1

    def note_absent(self, packs: frozenset[bytes]) -> None:
        """Packs listed that are not there as they should be."""
        if packs != self.absent:
            self.absent = packs
            self.version += 1

    def note_lost(self, packs: Iterable[bytes]) -> None:
        """Packs of which something was looked for in vain."""
        with self._noting:
            lost = self.lost.union(packs)
            if lost != self.lost:
                self.lost = lost
                self.version += 1

    @property
    def unreliable(self) -> frozenset[bytes]:
        """Packs listed that a writer must not rely on."""
        return self.absent | self.lost

    def places(self, kind: BlobKind, blob_id: bytes) -> Iterator[BlobLocation]:
        """Every place a blob is listed at, those in packs known to have lost something last.

        ``FormatError`` if there are only impossible ones.
        """
        lost, last = self.lost, []
        for place in self._places(kind, blob_id):
            if place.pack.id in lost:
                last.append(place)
            else:
                yield place
        yield from last

    def _places(self, kind: BlobKind, blob_id: bytes) -> Iterator[BlobLocation]:
        impossible: FormatError | None = None
        found = False
        for run in reversed(self.runs[kind]):
            for position in run.positions(blob_id):
                try:
                    place = run.location(position)
                except FormatError as error:
                    impossible = error
                    continue
                found = True
                yield place
        if impossible is not None and not found:
            raise impossible

    def place(self, kind: BlobKind, blob_id: bytes) -> BlobLocation | None:
        """The first of ``places``, for the many that have one; None for the rest."""
        for run in reversed(self.runs[kind]):
            found = run.first(blob_id)
            if found is not None:
                return found if found.pack.id not in self.lost else next(self.places(kind, blob_id))
        return None

    def lists(self, kind: BlobKind, blob_id: bytes) -> bool:
        """Whether a blob is listed, possible or not."""
        likely = self._likely.get(kind)
        if likely is not None and likely.lists(blob_id):
            return True
        for run in self.runs[kind]:
            if run.lists(blob_id):
                self._likely[kind] = run
                return True
        return False

    def some_place(self, kind: BlobKind, blob_id: bytes) -> BlobLocation | None:
        """One of ``places``, whichever is found first; None if there is none."""
        likely = self._likely.get(kind)
        found = likely.first(blob_id) if likely is not None else None
        if found is None and self.lists(kind, blob_id):
            found = self.place(kind, blob_id)
        return found

    def locations(self, kind: BlobKind, blob_id: bytes) -> Iterator[BlobLocation]:
        """``places`` for readers: looks again before it finds none."""
        known = self.size
        found = False
        for place in self.places(kind, blob_id):
            found = True
            yield place
        if not found and self.look_again(known):
            yield from self.places(kind, blob_id)

    @property
    def size(self) -> int:
        """How many runs there are; grows when places become known."""
        return sum(map(len, self.runs.values()))

    def on_look_again(self, rescue: Callable[[], object]) -> None:
        """What to do, once, when a blob is listed nowhere or at no place that has it."""
        self._rescue = rescue

    def look_again(self, known: int) -> bool:
        """Do it, unless it was done; whether there are other runs than the ``known`` of before."""
        with self._rescuing:
            rescue, self._rescue = self._rescue, None
            if rescue is not None:
                rescue()
        return self.size != known

    @property
    def empty(self) -> bool:
        """Whether no pack is listed."""
        return not any(run.pack_count for runs in self.runs.values() for run in runs)

    def packs(self) -> dict[bytes, int]:
        """Pack id to size in bytes, of all packs listed."""
        return {
            pack.id: pack.size
            for runs in self.runs.values()
            for run in runs
            for pack in run.packs()
        }

    def blob_count(self, kind: BlobKind) -> int:
        """Blobs listed, duplicates counted."""
        return sum(run.count for run in self.runs[kind])


def load_index(objects: ObjectStore, cache: IndexCache) -> Index:
    """W3: read all index objects; damaged ones are told and left out."""
    index = Index()
    extend_index(objects, index, cache)
    return index


def extend_index(objects: ObjectStore, index: Index, cache: IndexCache) -> None:
    """Read the index objects that are not loaded yet, those in the cache from there."""
    listed = set(objects.ids(names.INDEX))
    cache.keep_only(listed)
    for ident in sorted(listed - index.loaded):
        index.loaded.add(ident)
        try:
            kind, run = cache.get(ident) or read_run(objects, ident, cache)
        except ObjectNotFound:
            continue  # superseded and removed while we looked; its successor is listed too
        except DamageFound as error:
            index.damaged.append(ident)
            objects.emit(
                Finding(
                    Severity.WARNING,
                    f"index {ident.hex()}",
                    f"it cannot be read ({error}); the packs' own tables are used instead",
                )
            )
            continue
        index.add(kind, run)


def read_run(objects: ObjectStore, ident: bytes, cache: IndexCache) -> tuple[BlobKind, IndexRun]:
    """One index object, proven to be searchable."""
    kind = _kind_of(objects, ident)
    last: DamageFound | None = None
    for guess in sorted(BlobKind, key=lambda one: one is not kind):  # the header may be damaged
        try:
            contents = objects.read(guess.index_kind, names.INDEX, ident)
            IndexRun(contents).prove()
            return guess, cache.put(ident, guess, contents)
        except DamageFound as error:
            last = last or error
    raise last or FormatError("the index object is of no known kind")


def _kind_of(objects: ObjectStore, ident: bytes) -> BlobKind | None:
    """What the header says, None when it is damaged."""
    header = peek_header(objects.backend, names.object_name(names.INDEX, ident))
    found = header.kind if header is not None else None
    return next((kind for kind in BlobKind if kind.index_kind == found), None)


def orphan_packs(backend: Backend, index: Index) -> list[bytes]:
    """Packs in the store that no loaded index lists; also notes which of those listed are gone."""
    listed, present = index.packs(), present_packs(backend)
    index.note_absent(frozenset(p for p, size in listed.items() if present.get(p) != size))
    return [pack for pack in present if pack not in listed]


def present_packs(backend: Backend) -> dict[bytes, int]:
    """Pack id to size in bytes, of all packs in the store."""
    present = {}
    for info in backend.list(names.PACKS):
        try:
            present[names.id_from_name(info.name)] = info.size
        except FormatError:
            continue  # 'check' reports strange names
    return present


def adopt(
    objects: ObjectStore, reader: PackReader, index: Index, tombs: set[bytes]
) -> list[tuple[BlobKind, PackEntry]]:
    """A1, A2: bring orphan packs into the index; returns what a writer should list at its flush."""
    for ident in orphan_packs(objects.backend, index):
        if ident in tombs:
            continue
        try:
            kind, entry = reader.entry(ident)
        except ObjectNotFound:
            continue
        except (DamageFound, NewerFormat) as error:
            message = f"it is in no index and its table cannot be read ({error})"
            objects.emit(Finding(Severity.WARNING, f"pack {ident.hex()}", message))
            continue
        index.adopted.append((kind, entry))
        index.add(kind, IndexRun(encode_index([entry])))
    return [(kind, entry) for kind, entry in index.adopted if entry.pack.id not in tombs]
