"""Names of NTFS that are longer than 255 bytes: told before anything is written.

Files are put into NTFS by ntfs-3g; whether a target holds a name is asked of the target itself.
"""

import os
from pathlib import Path

import pytest

from tests.imaging.disks import mounted_ntfs, new_ntfs
from tests.restorer.place import Craft, Place
from tests.restorer.processes import needs_root
from twofold.commands import image
from twofold.events import ignore
from twofold.format.records import TreeRef

LONG = "名" * 200
"""200 units of NTFS, 600 bytes here."""
FITS = "名" * 85
INSIDE = (
    "short",
    f"{LONG} file",
    f"{LONG} folder/a",
    f"{LONG} folder/b/c",
    f"d/{LONG}",
    FITS,
    "d/x",
)
HELD = {"short", FITS, "d/x"}


@pytest.fixture
def imaged(place: Place, tmp_path: Path) -> Place:
    volume = new_ntfs(tmp_path / "ntfs")
    with mounted_ntfs(volume, tmp_path / "mnt") as top:
        for name in INSIDE:
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text(name)
    image.run(image.ImageOptions(access=place.access, disks=(os.fsencode(volume),)), ignore)
    return place


def files(top: Path) -> set[str]:
    return {str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()}


@needs_root
@pytest.mark.parametrize("there", [False, True])
def test_told_before_and_left_out(imaged: Place, there: bool) -> None:
    if there:
        (imaged.target / "d").mkdir(parents=True)
    dry = imaged.restore("latest:p1:/", dry_run=True)
    assert dry.exit_code == 0 and imaged.target.exists() == there
    assert dry.plan.failed == 3
    notes = "\n".join(dry.plan.notes)
    assert "3 names are too long for the target's file system" in notes
    assert f"  /{LONG} file" in notes and f"  /{LONG} folder" in notes and f"  /d/{LONG}" in notes
    done = imaged.restore("latest:p1:/")
    assert (done.exit_code, done.failed, done.plan.failed) == (1, 3, 3)
    assert done.plan.new + done.plan.metadata == done.new + done.metadata
    assert files(imaged.target) == HELD
    for name in HELD:
        assert (imaged.target / name).read_text() == name


@needs_root
def test_what_lies_in_a_folder_that_cannot_be_made(imaged: Place) -> None:
    """Only some of it is wanted, so each is counted."""
    wanted = (f"{LONG} folder/a".encode(), f"{LONG} folder/b".encode(), b"short")
    done = imaged.restore("latest:p1:/", paths=wanted)
    assert (done.exit_code, done.new) == (1, 1)
    assert (done.failed, done.plan.failed) == (2, 2)
    assert files(imaged.target) == {"short"}


@needs_root
def test_a_target_that_holds_them(imaged: Place, tmp_path: Path) -> None:
    """Through ntfs-3g, which says itself that names end at 255 bytes."""
    with mounted_ntfs(new_ntfs(tmp_path / "other"), tmp_path / "stick") as target:
        assert os.pathconf(target, "PC_NAME_MAX") == 255
        done = imaged.restore("latest:p1:/", target=os.fsencode(target))
        assert (done.exit_code, done.failed, done.plan.failed) == (0, 0, 0)
        assert not any("too long" in note for note in done.plan.notes)
        assert files(target) == set(INSIDE)


def test_many_are_told_by_the_first_few(place: Place) -> None:
    def build(craft: Craft) -> TreeRef:
        return craft.directory(*(craft.file(b"n%03d" % n + b"x" * 300, b"1") for n in range(12)))

    place.craft(build)
    place.target.mkdir()
    place.restore("latest", include=["n*"], dry_run=True)
    plan = place.restore("latest", include=["n*"], dry_run=True).plan
    told = [note for note in plan.notes if note.startswith("  ")]
    assert (plan.failed, plan.new, len(told), told[-1]) == (12, 0, 6, "  and 7 more")
