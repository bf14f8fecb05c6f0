"""What snapshots share, against plain sets of the ids that they refer to."""

import random
from collections.abc import Iterable
from pathlib import Path

from tests.imaging.disks import MIB, make_ext4
from tests.restorer.place import Craft, Place
from tests.view.images import image_of
from twofold.errors import TwofoldError
from twofold.format.image import ExtentsPage
from twofold.format.index import IndexRun
from twofold.format.names import BlobKind
from twofold.format.pages import NodePage, ends_page
from twofold.format.records import Root
from twofold.format.segments import Segment, iterate
from twofold.graph import PageStore
from twofold.repository import Index, Snapshot
from twofold.view import Sharing, Surroundings, sharing_of
from twofold.view.marks import BlobMarks


def lengths(segments: Iterable[Segment]) -> dict[bytes, int]:
    return {blob: length for blob, length in segments if isinstance(blob, bytes)}


def chunks(pages: PageStore, root: Root) -> dict[bytes, int]:
    """Chunks of a snapshot and their lengths, found without the code that is tested."""
    found: dict[bytes, int] = {}
    if root.image is not None:
        for volume in pages.image(root.image).volumes:
            for page in pages.leaves(volume.entries, ExtentsPage):
                for entry in page.entries:
                    found |= lengths(pages.stream(entry))
    pending = [root.tree.page] if root.tree is not None else []
    while pending:
        for node_page in pages.leaves(pending.pop(), NodePage):
            for node in node_page.nodes:
                if node.ref is not None and node.kind == 2:
                    pending.append(node.ref.page)
                elif node.kind == 1:
                    found |= lengths(pages.segments(node))
                for stream in node.more.streams if node.more else ():
                    found |= lengths(iterate(stream.content))
    return found


def around(pages: PageStore, index: Index, snapshots: list[Snapshot]) -> Surroundings:
    def lost(snapshot: Snapshot, error: TwofoldError) -> None:
        raise AssertionError(f"{snapshot.short}: {error}")

    return Surroundings(pages, index, snapshots, lost, lambda _: None)


def raw(found: Sharing) -> tuple[int, int, int]:
    return found.files.bytes_raw, found.images.bytes_raw, found.own.bytes_raw


def test_files_and_images_against_sets(place: Place, tmp_path: Path) -> None:
    rand = random.Random(11)
    for number in range(40):
        size = rand.choice((10, 5000, 300_000))
        (place.source / f"f{number}").write_bytes(rand.randbytes(size))
    place.backup()
    make_ext4(tmp_path / "first", place.source, 32 * MIB)
    image_of(place, tmp_path / "first", time_ns=4 * 10**18)
    (place.source / "more").write_bytes(rand.randbytes(2 * MIB))
    make_ext4(tmp_path / "second", place.source, 32 * MIB)
    image_of(place, tmp_path / "second", time_ns=4 * 10**18 + 1)
    (place.source / "f1").write_bytes(b"changed")
    place.backup()

    with place.open() as repository:
        index = repository.load_index()
        pages = PageStore(repository.blob_reader(index))
        snapshots = repository.snapshots()
        held = {each.id: chunks(pages, each.root) for each in snapshots}
        by_kind = {
            kind: [each for each in snapshots if each.root.kind == kind]
            for kind in ("files", "image")
        }
        for snapshot in snapshots:
            kind = snapshot.root.kind
            groups = {
                name: {
                    ident
                    for each in by_kind[name]
                    if each.id != snapshot.id
                    and (name != kind or each.root.time_ns < snapshot.root.time_ns)
                    for ident in held[each.id]
                }
                for name in by_kind
            }
            mine = held[snapshot.id]
            files = mine.keys() & groups["files"]
            images = (mine.keys() & groups["image"]) - files
            own = mine.keys() - files - images
            found = sharing_of(around(pages, index, snapshots), snapshot)
            wanted = tuple(sum(mine[ident] for ident in part) for part in (files, images, own))
            assert raw(found) == wanted
            counts = (found.files.chunks, found.images.chunks, found.own.chunks)
            assert counts == (len(files), len(images), len(own))
            assert found.missing == 0
            assert found.metadata.chunks > 0
        first, second = by_kind["image"]
        shared = sharing_of(around(pages, index, snapshots), second)
        assert shared.images.bytes_raw > 0
        assert shared.own.bytes_raw >= 2 * MIB
        assert sharing_of(around(pages, index, snapshots), first).images.chunks == 0
        total = sharing_of(around(pages, index, snapshots[:1]), snapshots[0])
        assert total.own.bytes_stored == total.data.bytes_stored


def test_stored_bytes_are_those_of_whole_frames(place: Place) -> None:
    """All chunks of a repository of one backup are all that lies in its frames."""
    for number in range(300):
        (place.source / f"small {number}").write_text(f"letter {number}\n" * 30)
    place.backup()
    with place.open() as repository:
        index = repository.load_index()
        pages = PageStore(repository.blob_reader(index))
        snapshots = repository.snapshots()
        found = sharing_of(around(pages, index, snapshots), snapshots[0])
        packs = [pack for run in index.runs[BlobKind.DATA] for pack in run.pack_entries()]
        frames = [frame for pack in packs for frame in pack.frames if frame.blobs]  # not padding
        assert found.own.bytes_raw == sum(each.raw_length for each in frames)
        assert abs(found.own.bytes_stored - sum(each.sealed_length for each in frames)) <= 1


def test_damage_is_told_and_the_rest_counted(place: Place) -> None:
    def build(craft: Craft) -> Root:
        lost = craft.folder(b"lost")
        ref = lost.ref
        assert ref is not None
        broken = type(lost)(b"lost", lost.kind, lost.mode, lost.owner, 0, ref=type(ref)(bytes(32)))
        # on one page with the broken one, or it would depend on the key which is read first
        name = next(name for name in (b"a", b"b", b"c") if not ends_page(craft.page_key, name))
        return Root(tree=craft.directory(craft.file(name, b"12345"), broken), time_ns=4 * 10**18)

    place.craft_root(build)
    (place.source / "x").write_bytes(b"12345")
    place.backup()
    told: list[str] = []
    with place.open() as repository:
        index = repository.load_index()
        pages = PageStore(repository.blob_reader(index))
        snapshots = repository.snapshots()
        place_ = Surroundings(
            pages, index, snapshots, lambda which, _: told.append(which.short), lambda _: None
        )
        broken = next(each for each in snapshots if each.root.time_ns == 4 * 10**18)
        found = sharing_of(place_, broken)
    assert told == [broken.short]
    assert found.files.bytes_raw == 5
    assert found.missing == 1


def test_marks_stay_when_the_index_grows(place: Place) -> None:
    (place.source / "x").write_bytes(b"12345")
    place.backup()
    with place.open() as repository:
        index = repository.load_index()
        ids = [ident for run in index.runs[BlobKind.DATA] for ident in run.ids()]
        marks = BlobMarks(index, BlobKind.DATA)
        assert [marks.mark(ident, 1) for ident in ids] == [0] * len(ids)
        assert marks.mark(bytes(32), 2) == 0
        (place.source / "y").write_bytes(b"67890")
        place.backup()
        again = repository.load_index()
        for run in again.runs[BlobKind.DATA]:
            index.add(BlobKind.DATA, run)
            assert isinstance(run, IndexRun)
        assert [marks.get(ident) for ident in ids] == [1] * len(ids)
        assert marks.get(bytes(32)) == 2
        assert marks.location(bytes(32)) is None
        new = {ident for run in again.runs[BlobKind.DATA] for ident in run.ids()} - set(ids)
        assert [marks.get(ident) for ident in new] == [0] * len(new)
        assert all(marks.location(ident) is not None for ident in new)
