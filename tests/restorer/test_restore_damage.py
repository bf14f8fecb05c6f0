"""Damage in the repository costs exactly what it hits, is told by name, and never looks whole."""

import os
import random
import struct
from pathlib import Path

import pytest

from tests.restorer.place import Craft, Place, changed, rsync
from twofold.errors import DamageFound
from twofold.format.index import BlobLocation
from twofold.format.names import BlobKind
from twofold.format.pack import FOOTER, Footer
from twofold.format.pages import More, NodeKind
from twofold.format.records import TreeRef
from twofold.format.segments import pack_blob, pack_holes, pack_zeros


def small_files(top: Path, count: int) -> None:
    rand = random.Random(3)
    for number in range(count):
        folder = top / f"d{number % 20}"
        folder.mkdir(exist_ok=True)
        (folder / f"f{number}").write_bytes(rand.randbytes(300 + number % 700))


def place_of(place: Place, path: Path, number: int = 0) -> BlobLocation:
    """Where a blob of a file lies."""
    with place.tree() as tree:
        found = tree.find(tuple(os.fsencode(path).split(b"/")[1:]))
        assert found is not None
        blobs = [blob for blob, _ in tree.segments(found.node) if isinstance(blob, bytes)]
        return next(tree.pages.blobs.index.locations(BlobKind.DATA, blobs[number]))


def destroy(place: Place, at: BlobLocation) -> None:
    """Overwrite one frame and everything that could repair it: parity, digests, second table."""
    pack = at.pack.id.hex()
    path = place.base / "repo/packs" / pack[:2] / pack
    data = bytearray(path.read_bytes())
    frame = slice(at.frame.offset, at.frame.offset + at.frame.sealed_length)
    sealed = bytes(data[frame])
    data[frame] = os.urandom(len(sealed))
    footer = Footer.decode(data[-FOOTER.size :])
    behind = footer.digests_offset
    if footer.groups:
        data[behind:] = os.urandom(len(data) - behind)
    second = data.find(sealed[:64])  # small packs hold a second copy
    while second >= 0:
        data[second : second + len(sealed)] = os.urandom(len(sealed))
        second = data.find(sealed[:64])
    path.chmod(0o600)
    path.write_bytes(data)


def with_bad_chunk(place: Place, count: int) -> Path:
    """Back up so many small files and one whose chunk is then lost, and nothing else; which it is.

    It is large enough for a frame of its own.
    """
    small_files(place.source, count)
    bad = place.source / "d7/bad"
    bad.write_bytes(os.urandom(700_000))
    place.backup()
    destroy(place, place_of(place, bad))
    return bad


def test_one_bad_chunk_costs_one_file(place: Place) -> None:
    bad = with_bad_chunk(place, 2000)
    result = place.restore()
    assert (result.exit_code, result.damaged, result.failed) == (5, 1, 0)
    assert result.new == 2000 + 20
    assert place.damage() == [str(bad)]
    assert rsync(place.source, place.target) == [">f+++++++++ d7/bad"]


@pytest.mark.slow
def test_one_bad_chunk_among_ten_thousand(place: Place) -> None:
    with_bad_chunk(place, 9999)
    result = place.restore()
    assert (result.exit_code, result.damaged, result.new) == (5, 1, 9999 + 20)
    assert rsync(place.source, place.target) == [">f+++++++++ d7/bad"]


def test_a_bad_frame_costs_exactly_the_files_in_it(place: Place) -> None:
    small_files(place.source, 4000)
    place.backup()
    at = place_of(place, place.source / "d3/f3")
    lost = set()
    for path in place.source.rglob("f*"):
        where = place_of_cached(place, path)
        if (where.pack.id, where.frame.ordinal) == (at.pack.id, at.frame.ordinal):
            lost.add(str(path))
    destroy(place, at)
    result = place.restore()
    assert 0 < len(lost) < 4000
    assert set(place.damage()) == lost
    assert (result.exit_code, result.damaged) == (5, len(lost))
    missing = {str(place.source / line.split()[-1]) for line in rsync(place.source, place.target)}
    assert missing == lost


_PLACES: dict[tuple[Path, bytes], BlobLocation] = {}


def place_of_cached(place: Place, path: Path) -> BlobLocation:
    """``place_of`` that reads the snapshot once."""
    if not any(key[0] == place.base for key in _PLACES):
        with place.tree() as tree:
            for visit in tree.walk(tree.top):
                if visit.leaving or visit.node.kind != NodeKind.FILE:
                    continue
                blob = next(iter(tree.segments(visit.node))).blob
                assert isinstance(blob, bytes)
                where = next(tree.pages.blobs.index.locations(BlobKind.DATA, blob))
                _PLACES[place.base, b"/" + b"/".join(visit.path)] = where
    return _PLACES[place.base, os.fsencode(path)]


def test_a_large_file_with_a_hole_in_the_middle_is_not_there(place: Place) -> None:
    large = place.source / "large"
    large.write_bytes(os.urandom(12_000_000))
    os.link(large, place.source / "other name")
    (place.source / "good").write_bytes(b"good")
    place.backup()
    place.target.mkdir()
    (place.target / "large").write_bytes(b"old")
    destroy(place, place_of(place, large, 5))
    result = place.restore()
    assert (result.exit_code, result.damaged) == (5, 2)
    assert sorted(os.listdir(place.target)) == ["good", "large"]
    assert (place.target / "large").read_bytes() == b"old"  # nothing better to put there
    assert result.aside is None


def test_what_is_there_already_needs_no_repository(place: Place) -> None:
    large = place.source / "large"
    large.write_bytes(os.urandom(2_000_000))
    place.backup()
    place.restore()
    destroy(place, place_of(place, large))
    result = place.restore()
    assert (result.exit_code, result.unchanged) == (0, 1)


def test_small_damage_is_repaired_on_the_way(place: Place) -> None:
    large = place.source / "large"
    large.write_bytes(os.urandom(9_000_000))
    place.backup()
    at = place_of(place, large, 3)
    pack = at.pack.id.hex()
    path = place.base / "repo/packs" / pack[:2] / pack
    with open(path, "r+b") as file:
        file.seek(at.frame.offset + 100)
        file.write(os.urandom(20_000))
    result = place.restore()
    assert (result.exit_code, result.damaged) == (0, 0)
    assert place.damage() == [f"pack {pack}"]  # told, as repaired
    assert rsync(place.source, place.target) == []


def test_lost_pages_cost_their_entries_only(place: Place) -> None:
    def build(craft: Craft) -> TreeRef:
        lost = changed(craft.folder(b"lost"), ref=TreeRef(b"\1" * 32))
        good = craft.folder(b"good", craft.file(b"f", b"data"))
        gone = changed(craft.file(b"gone", b"x"), content=b"", ref=TreeRef(b"\2" * 32))
        return craft.directory(gone, good, lost, craft.file(b"z", b"z"))

    place.craft(build)
    result = place.restore("latest")
    assert (result.exit_code, result.damaged) == (5, 2)
    assert sorted(place.damage()) == ["/gone", "/lost"]
    assert sorted(os.listdir(place.target)) == ["good", "lost", "z"]
    assert (place.target / "good/f").read_bytes() == b"data"


def test_contents_that_contradict_themselves(place: Place) -> None:
    def build(craft: Craft) -> TreeRef:
        blob = craft.blob(b"0123456789")
        one = craft.file(b"x", b"x")
        wrong = pack_blob(blob, 11)
        bad_holes = More(holes=struct.pack("<QQQQ", 50, 10, 0, 10))
        return craft.directory(
            changed(one, name=b"1 wrong length", size=11, content=wrong),
            changed(one, name=b"2 sum too small", size=9, content=pack_blob(blob, 10)),
            changed(one, name=b"3 sum too large", size=10, content=pack_blob(blob, 10) * 2),
            changed(one, name=b"4 no list", size=10, content=b"\7\7\7"),
            changed(one, name=b"5 unknown blob", size=4, content=pack_blob(b"\3" * 32, 4)),
            changed(
                one,
                name=b"6 bad holes",
                size=2_000_000,
                content=pack_zeros(2_000_000),
                more=bad_holes,
            ),
            changed(one, name=b"7 huge", size=1 << 62, content=pack_zeros(1 << 62)),
            changed(
                one,
                name=b"8 large and wrong",
                size=2_000_000,
                content=pack_blob(blob, 10) + pack_zeros(1_999_000),
            ),
            changed(one, name=b"9 good", size=10, content=pack_blob(blob, 10)),
        )

    place.craft(build)
    result = place.restore("latest", confirm=lambda plan: not plan.fits)
    assert os.listdir(place.target) == ["9 good"]
    assert (result.exit_code, result.new) == (5, 1)
    assert result.damaged + result.failed == 8
    assert result.failed == 1  # what no file system can hold


def test_holes_that_are_none_are_filled(place: Place) -> None:
    """Recorded holes decide where room is taken, never what is read."""
    data = os.urandom(300_000) + bytes(60_000) + os.urandom(300_000)

    def build(craft: Craft) -> TreeRef:
        content = pack_blob(craft.blob(data), len(data)) * 2
        lies = [(0, 4096), (290_816, 20_480), (303_104, 53_248), (700_000, 500_000)]
        honest = [(303_104, 53_248), (963_104, 53_248)]
        node = changed(craft.file(b"f", b"x"), size=2 * len(data), content=content)
        return craft.directory(
            changed(node, name=b"honest", more=More(holes=pack_holes(honest))),
            changed(node, name=b"lies", more=More(holes=pack_holes(sorted(lies)[:2] + lies[3:]))),
        )

    place.craft(build)
    assert place.restore("latest").exit_code == 0
    assert (place.target / "honest").read_bytes() == data * 2
    assert (place.target / "lies").read_bytes() == data * 2
    room = [os.stat(place.target / name).st_blocks * 512 for name in ("lies", "honest")]
    assert room[0] - room[1] >= 80_000


@pytest.mark.parametrize("name", [b"", b".", b"..", b"../x", b"a/b", b"/etc/x", b"a\0b"])
def test_impossible_names_write_nothing(place: Place, name: bytes) -> None:
    def build(craft: Craft) -> TreeRef:
        bad = craft.folder(b"bad", changed(craft.file(b"x", b"evil"), name=name))
        return craft.directory(bad, craft.file(b"good", b"good"))

    place.craft(build)
    before = sorted(os.listdir(place.base))
    result = place.restore("latest")
    assert (result.exit_code, result.damaged) == (5, 1)
    assert sorted(os.listdir(place.target)) == ["bad", "good"]
    assert os.listdir(place.target / "bad") == []
    assert sorted(os.listdir(place.base)) == sorted([*before, "target"])


def test_links_below_links_lead_nowhere(place: Place) -> None:
    """A snapshot cannot hold a link and something below it: names are unique. Links stay links."""

    def build(craft: Craft) -> TreeRef:
        return craft.directory(
            craft.link(b"a", os.fsencode(place.base)),
            craft.folder(b"b", craft.link(b"up", b"../..")),
            craft.link(b"empty", b""),
            craft.link(b"nul", b"a\0b"),
        )

    place.craft(build)
    result = place.restore("latest")
    assert os.readlink(place.target / "a") == str(place.base)
    assert os.readlink(place.target / "b/up") == "../.."
    assert (result.failed, result.exit_code) == (2, 1)  # the two that no system can hold


def test_a_repository_that_goes_away_stops_the_restore(place: Place) -> None:
    (place.source / "f").write_bytes(os.urandom(700_000))
    place.backup()
    at = place_of(place, place.source / "f")
    pack = at.pack.id.hex()
    os.unlink(place.base / "repo/packs" / pack[:2] / pack)
    result = place.restore()
    assert (result.exit_code, result.damaged) == (DamageFound.exit_code, 1)
    assert os.listdir(place.target) == []
