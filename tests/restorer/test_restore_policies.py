"""What happens to entries that are there already: kept aside, replaced, left; never deleted."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.restorer.place import Craft, Place, changed, differences, differences_below, rsync
from twofold.errors import UsageError
from twofold.format.records import TreeRef
from twofold.restorer import RestorePlan

OLD = b"what was there before"


def plain(top: Path) -> None:
    for name in ("a", "b", "d/c", "d/e/f"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(b"new " + name.encode())
    (top / "link").symlink_to("a")
    (top / "large").write_bytes(os.urandom(1_500_000))


def contents(top: Path) -> dict[str, bytes]:
    """Every file and link below a directory."""
    found = {}
    for path in top.rglob("*"):
        if path.is_symlink():
            found[str(path.relative_to(top))] = b"-> " + os.readlink(os.fsencode(path))
        elif path.is_file():
            found[str(path.relative_to(top))] = path.read_bytes()
    return found


def in_the_way(top: Path) -> dict[str, bytes]:
    """A target where something else stands at every name, and one thing that is not asked for."""
    top.mkdir()
    (top / "a").write_bytes(OLD)
    (top / "b").mkdir()
    (top / "b/inner").write_bytes(OLD)
    (top / "d").write_bytes(OLD)
    (top / "link").symlink_to("/etc")
    (top / "large").symlink_to("a")
    (top / "mine").write_bytes(OLD)
    return contents(top)


def test_keep_moves_everything_aside(place: Place) -> None:
    plain(place.source)
    place.backup()
    before = in_the_way(place.target)
    result = place.restore()
    assert (result.exit_code, result.failed, result.deleted) == (0, 0, 0)
    assert (result.replaced, result.conflicts) == (3, 2)
    assert result.plan.replaced + result.plan.conflicts == 5
    assert result.aside is not None
    aside = Path(os.fsdecode(result.aside.path))
    assert aside.parent == place.target / ".twofold-replaced"
    kept = contents(aside)
    assert kept == {name: data for name, data in before.items() if name != "mine"}
    found = rsync(place.source, place.target, exclude=("mine", ".twofold-replaced"))
    assert [line for line in found if line != ".d..t...... ./"] == []
    assert (place.target / "mine").read_bytes() == OLD


def test_each_run_has_a_place_of_its_own(place: Place) -> None:
    plain(place.source)
    place.backup()
    place.restore()
    places = set()
    for number in range(3):
        (place.target / "a").write_bytes(b"%d" % number)
        result = place.restore()
        assert result.aside is not None
        places.add(result.aside.path)
        assert Path(os.fsdecode(result.aside.path), "a").read_bytes() == b"%d" % number
    assert len(places) == 3


def test_replace_leaves_nothing_aside_but_what_is_of_another_kind(place: Place) -> None:
    plain(place.source)
    place.backup()
    before = in_the_way(place.target)
    result = place.restore(existing="replace")
    assert (result.exit_code, result.replaced, result.conflicts) == (0, 3, 2)
    assert result.aside is not None
    kept = contents(Path(os.fsdecode(result.aside.path)))
    assert kept == {name: before[name] for name in ("b/inner", "d")}
    assert contents(place.source).items() <= contents(place.target).items()


def test_skip_leaves_everything_that_is_there(place: Place) -> None:
    plain(place.source)
    (place.source / "d/new").write_bytes(b"new")
    place.backup()
    before = in_the_way(place.target)
    os.unlink(place.target / "a")
    del before["a"]
    os.chmod(place.target, 0o711)
    result = place.restore(existing="skip")
    assert (result.exit_code, result.new, result.replaced) == (0, 1, 0)
    assert result.kept == result.plan.kept == 8  # d with all that is in it, b, link, large
    assert contents(place.target) == before | {"a": b"new a"}
    assert stat.S_IMODE(place.target.stat().st_mode) == 0o711


def test_equal_contents_only_get_their_metadata(place: Place) -> None:
    plain(place.source)
    os.chmod(place.source / "a", 0o640)
    place.backup()
    place.restore()
    os.chmod(place.target / "a", 0o600)
    os.utime(place.target / "large", (0, 0))
    inodes = [(place.target / name).stat().st_ino for name in ("a", "large")]
    result = place.restore()
    assert (result.metadata, result.replaced, result.aside) == (2, 0, None)
    assert [(place.target / name).stat().st_ino for name in ("a", "large")] == inodes
    assert differences(place.source, place.target) == []


def test_equal_size_and_time_do_not_hide_other_contents(place: Place) -> None:
    plain(place.source)
    place.backup()
    place.restore()
    info = (place.target / "large").stat()
    with open(place.target / "large", "r+b") as file:
        file.seek(1_200_000)
        file.write(b"flipped")
    os.utime(place.target / "large", ns=(info.st_atime_ns, info.st_mtime_ns))
    result = place.restore()
    assert result.replaced == 1
    assert (place.target / "large").read_bytes() == (place.source / "large").read_bytes()


def test_metadata_never_reaches_further_names_of_a_file(place: Place) -> None:
    """A name in the target may be linked to a file that is none of ours."""
    plain(place.source)
    os.chmod(place.source / "a", 0o666)
    place.backup()
    place.restore()
    outside = place.base / "outside"
    outside.write_bytes(b"new a")
    os.chmod(outside, 0o600)
    os.unlink(place.target / "a")
    os.link(outside, place.target / "a")
    result = place.restore()
    assert (result.exit_code, result.metadata, result.aside) == (0, 1, None)
    assert stat.S_IMODE(outside.stat().st_mode) == 0o600
    assert outside.stat().st_nlink == 1
    assert differences_below(place.source, place.target) == []


def test_links_in_the_target_are_not_followed(place: Place) -> None:
    (place.source / "d").mkdir()
    (place.source / "d/secret").write_bytes(b"x")
    (place.source / "f").write_bytes(b"y")
    place.backup()
    outside = place.base / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(OLD)
    for existing in ("keep", "replace", "skip"):
        target = place.base / existing
        target.mkdir()
        (target / "d").symlink_to(outside)
        (target / "f").symlink_to(outside / "file")
        place.restore(existing=existing, target=os.fsencode(target))
        assert os.listdir(outside) == ["file"]
        assert (outside / "file").read_bytes() == OLD
        assert (target / "d").is_symlink() == (existing == "skip")


def test_hard_links_are_joined_again(place: Place) -> None:
    for name in ("one", "d/two", "three"):
        (place.source / name).parent.mkdir(exist_ok=True)
    (place.source / "one").write_bytes(b"1" * 5000)
    os.link(place.source / "one", place.source / "d/two")
    os.link(place.source / "one", place.source / "three")
    place.backup()
    place.restore()
    for broken in ("d/two", "one", "three"):
        data = (place.target / broken).read_bytes()
        os.unlink(place.target / broken)
        (place.target / broken).write_bytes(data)
        result = place.restore()
        assert (result.exit_code, result.replaced) == (0, 0)
        assert differences_below(place.source, place.target) == []
    (place.target / "one").write_bytes(OLD)  # through all its names
    assert place.restore(existing="replace").replaced == 3
    assert differences_below(place.source, place.target) == []


def test_a_file_that_changed_between_its_names_is_not_joined(place: Place) -> None:
    """Two names of one inode with different contents: a link would give one of them the other's."""
    (place.source / "a").write_bytes(b"a" * 100)
    os.link(place.source / "a", place.source / "b")
    place.backup()
    with place.open() as repository:
        listing = repository.snapshots()[-1].root.listing

    def build(craft: Craft) -> TreeRef:
        nodes = [changed(craft.file(name, name * 100), linked=True) for name in (b"a", b"b")]
        for part in reversed(os.fsencode(place.source).split(b"/")[1:]):
            nodes = [craft.folder(part, *nodes)]
        return craft.directory(*nodes)

    place.craft(build, listing=listing)
    assert place.restore().exit_code == 0
    assert (place.target / "a").read_bytes() == b"a" * 100
    assert (place.target / "b").read_bytes() == b"b" * 100


def test_only_some_paths(place: Place) -> None:
    plain(place.source)
    os.chmod(place.source / "d", 0o711)
    place.backup()
    assert place.restore(paths=(b"d/e", b"/a")).exit_code == 0
    assert set(contents(place.target)) == {"a", "d/e/f"}
    assert stat.S_IMODE((place.target / "d").stat().st_mode) == 0o711
    below = os.fsencode(place.source).lstrip(b"/")
    place.restore("latest", paths=(below + b"/large",), target=os.fsencode(place.base / "whole"))
    assert set(contents(place.base / "whole")) == {os.fsdecode(below) + "/large"}


def test_directories_that_only_lead_somewhere_keep_their_metadata(place: Place) -> None:
    plain(place.source)
    place.backup()
    (place.target / "d").mkdir(parents=True)
    os.chmod(place.target / "d", 0o701)
    place.restore(paths=(b"d/e",))
    assert stat.S_IMODE((place.target / "d").stat().st_mode) == 0o701
    assert contents(place.target) == {"d/e/f": b"new d/e/f"}


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ({"exclude": ("d/",)}, {"a", "b", "link", "large"}),
        ({"exclude": ("l*", "e/", "!large")}, {"a", "b", "d/c", "large"}),
        ({"include": ("f", "a")}, {"a", "d/e/f"}),
        ({"include": ("e/",)}, {"d/e/f"}),
        ({"include": ("d/",), "exclude": ("c",)}, {"d/e/f"}),
        ({"include": ("nothing",)}, set()),
    ],
)
def test_patterns(place: Place, patterns: dict[str, tuple[str, ...]], expected: set[str]) -> None:
    plain(place.source)
    place.backup()
    more: dict[str, Any] = dict(patterns)
    result = place.restore(**more)
    assert result.exit_code == 0
    assert set(contents(place.target)) == expected
    assert result.new == result.plan.new
    if patterns.get("include") == ("nothing",):
        assert os.listdir(place.target) == []


def test_patterns_that_are_none(place: Place) -> None:
    plain(place.source)
    place.backup()
    with pytest.raises(UsageError):
        place.restore(exclude=("!",))


def test_the_target_becomes_what_the_directory_was(place: Place) -> None:
    plain(place.source)
    os.chmod(place.source, 0o2751)
    os.utime(place.source, (5, 5))
    place.backup()
    place.restore()
    assert differences(place.source, place.target) == []
    existing = place.base / "existing"
    existing.mkdir()
    os.chmod(existing, 0o700)
    (existing / "mine").write_bytes(OLD)
    place.restore(target=os.fsencode(existing))
    assert stat.S_IMODE(existing.stat().st_mode) == 0o700
    assert sorted(os.listdir(existing)) == sorted([*os.listdir(place.source), "mine"])


def test_a_plan_writes_nothing(place: Place) -> None:
    plain(place.source)
    place.backup()
    result = place.restore(dry_run=True)
    assert (result.dry_run, result.written, result.new) == (True, False, 0)
    assert result.plan.new == 8
    assert not place.target.exists()
    asked: list[RestorePlan] = []

    def refuse(plan: RestorePlan) -> bool:
        asked.append(plan)
        return False

    result = place.restore(confirm=refuse)
    assert [plan.new for plan in asked] == [8]
    assert not result.written
    assert not place.target.exists()


def test_what_a_plan_says_is_what_is_done(place: Place) -> None:
    plain(place.source)
    (place.source / "same").write_bytes(b"same")
    (place.source / "other mode").write_bytes(b"x")
    place.backup()
    in_the_way(place.target)
    (place.target / "same").write_bytes(b"same")
    info = (place.source / "same").stat()
    os.utime(place.target / "same", ns=(0, info.st_mtime_ns))
    os.chmod(place.target / "same", info.st_mode)
    (place.target / "other mode").write_bytes(b"x")
    os.chmod(place.target / "other mode", 0o600)
    result = place.restore()
    plan = result.plan
    for field in ("new", "replaced", "conflicts", "metadata", "unchanged", "kept"):
        assert getattr(result, field) == getattr(plan, field), field
    assert result.bytes_written == plan.bytes_needed
