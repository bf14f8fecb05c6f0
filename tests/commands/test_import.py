"""Backups that Windows made, and disk images of other programs, become images of their own time."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.commands.windows_backup import (
    MIB,
    Volume,
    guid_of,
    make_backup,
    ntfs_volume,
    raw_of,
    specs,
)
from tests.disk.containers.disks import make_disk, qemu_img
from tests.imaging.disks import mounted_ntfs, run
from twofold import clock
from twofold.commands import check, export, image, import_image, restore_disk, snapshots
from twofold.commands.access import open_at
from twofold.commands.import_image import DiskImported, ImportResult
from twofold.commands.snapshots import SnapshotInfo
from twofold.errors import RefusedUnsafe, SourceDamaged, UsageError
from twofold.events import Event, Notice, SourceWarning, ignore
from twofold.options import RepositoryAccess

C, D, HIDDEN = guid_of("C"), guid_of("D"), guid_of("hidden")
LETTER = b"Dear reader\n" * 5000
FIRST, SECOND = "2019-02-22 124351", "2020-03-01 010203"


def ns(made: str) -> int:
    """The time of a backup folder."""
    when = datetime.strptime(made, "%Y-%m-%d %H%M%S").replace(tzinfo=UTC)
    return int(when.timestamp()) * 10**9


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two computers; two backups of one, in which files were added."""
    top = tmp_path_factory.mktemp("history")
    place = top / "volumes"
    place.mkdir()
    system = {"Windows/big": os.urandom(6 * MIB), "Users/ada/letter.txt": LETTER}
    old = ntfs_volume(place / "old", system)
    new = ntfs_volume(place / "new", system | {"Users/ada/new": os.urandom(MIB)})
    data = ntfs_volume(place / "data", {"photo": os.urandom(2 * MIB)})
    make_backup(top, "OFFICE", SECOND, [Volume(new, C, "C:"), Volume(data, HIDDEN)], ".vhd")
    make_backup(top, "OFFICE", FIRST, [Volume(old, C, "C:"), Volume(data, HIDDEN)], ".vhd")
    make_backup(top, "LAPTOP", "2024-05-06 070809", [Volume(data, D, "D:"), Volume(data, "")])
    return top


def imported(access: RepositoryAccess, *paths: Path, **more: object) -> ImportResult:
    return imported_telling(access, [], *paths, **more)


def imported_telling(
    access: RepositoryAccess, told: list[Event], *paths: Path, **more: object
) -> ImportResult:
    names = tuple(map(os.fsencode, paths))
    options = import_image.ImportOptions(access=access, paths=names, **more)  # type: ignore[arg-type]
    return import_image.run(options, told.append)


def listed(access: RepositoryAccess) -> tuple[SnapshotInfo, ...]:
    return snapshots.run(snapshots.SnapshotsOptions(access=access), ignore).snapshots


def restored(access: RepositoryAccess, disk: DiskImported, to: Path) -> Path:
    """The whole disk of a snapshot."""
    assert disk.snapshot is not None
    options = restore_disk.RestoreDiskOptions(
        access=access, snapshot=disk.snapshot.hex(), target=os.fsencode(to)
    )
    assert restore_disk.run(options, ignore).exit_code == 0
    return to


def assert_whole(access: RepositoryAccess) -> None:
    assert check.run(check.CheckOptions(access=access, read_data=True), ignore).exit_code == 0


def warnings(told: list[Event]) -> list[SourceWarning]:
    return [each for each in told if isinstance(each, SourceWarning)]


def notices(told: list[Event]) -> list[str]:
    return [each.text for each in told if isinstance(each, Notice)]


def test_every_backup_of_every_volume(
    history: Path, access: RepositoryAccess, tmp_path: Path
) -> None:
    result = imported(access, history, tags=("windows",))
    assert (result.exit_code, result.refused) == (0, 0)
    office = [
        (FIRST, "OFFICE", "C:"),
        (FIRST, "OFFICE", f"Windows {HIDDEN[:8]}"),
        (SECOND, "OFFICE", "C:"),
        (SECOND, "OFFICE", f"Windows {HIDDEN[:8]}"),
    ]
    made = [(each.made_time_ns, each.host, each.name) for each in result.disks]
    assert sorted(made[:4]) == sorted((ns(time), *rest) for time, *rest in office)
    assert sorted(name for _, _, name in made[4:]) == ["D:", "EFI system partition"]
    told = {each.id: each for each in listed(access)}
    for disk in result.disks:
        assert disk.snapshot is not None
        snapshot = told[disk.snapshot]
        assert (snapshot.time_ns, snapshot.host, snapshot.name, snapshot.tags) == (
            disk.made_time_ns,
            disk.host,
            disk.name,
            ("windows",),
        )
        back = restored(access, disk, tmp_path / disk.snapshot.hex())
        qemu_img("compare", "-f", "raw", "-F", "raw", raw_of(Path(os.fsdecode(disk.path))), back)
    assert_whole(access)


def test_files_come_out_of_an_imported_disk(
    history: Path, access: RepositoryAccess, tmp_path: Path
) -> None:
    result = imported(access, history)
    disk = next(each for each in result.disks if each.name == "C:")
    back = restored(access, disk, tmp_path / "disk")
    volume = tmp_path / "volume"
    run("dd", f"if={back}", f"of={volume}", "bs=64K", "skip=1")
    with mounted_ntfs(volume, tmp_path / "mount") as folder:
        assert (folder / "Users/ada/letter.txt").read_bytes() == LETTER


def test_a_later_backup_costs_what_is_new_in_it(history: Path, access: RepositoryAccess) -> None:
    result = imported(access, history / "WindowsImageBackup" / "OFFICE")
    first, second = (each for each in result.disks if each.name == "C:")
    assert first.bytes_stored > 6 * MIB
    assert second.parent == first.snapshot
    assert second.bytes_stored < 2 * MIB
    again = [each for each in result.disks if each.name != "C:"]
    assert again[1].bytes_stored < MIB // 8


def test_what_was_imported_is_passed_over(history: Path, access: RepositoryAccess) -> None:
    first = imported(access, history, only_latest=True)
    assert len(first.disks) == 4
    second = imported(access, history)
    assert [each.present for each in second.disks].count(True) == 4
    assert len(listed(access)) == 6
    third = imported(access, history / "WindowsImageBackup")
    assert {each.snapshot for each in third.disks} == {each.id for each in listed(access)}
    assert all(each.present for each in third.disks)
    assert len(listed(access)) == 6
    assert_whole(access)  # the chains are in order, though older backups came later


def test_the_parent_is_of_an_earlier_time_if_there_is_one(
    history: Path, access: RepositoryAccess
) -> None:
    folder = history / "WindowsImageBackup" / "OFFICE"
    (late,) = (d for d in imported(access, folder / f"Backup {SECOND}").disks if d.name == "C:")
    (early,) = (d for d in imported(access, folder / f"Backup {FIRST}").disks if d.name == "C:")
    assert (late.parent, early.parent) == (None, late.snapshot)
    third = shutil.copytree(folder / f"Backup {FIRST}", folder.parent / "Backup 2019-12-31 000000")
    try:
        moved = third.rename(folder / third.name)
        (between,) = (d for d in imported(access, moved).disks if d.name == "C:")
    finally:
        shutil.rmtree(folder / third.name)
    assert between.parent == early.snapshot


def test_the_same_named_twice_is_imported_once(history: Path, access: RepositoryAccess) -> None:
    folder = history / "WindowsImageBackup"
    assert len(imported(access, folder, folder / "LAPTOP").disks) == 6
    assert len(listed(access)) == 6


def test_a_computer_whose_name_is_no_text(laptop: Path, access: RepositoryAccess) -> None:
    os.rename(laptop.parent, os.fsencode(laptop.parent.parent) + b"/B\xfcro")
    first = imported(access, laptop.parent.parent)
    assert {each.host for each in first.disks} == {each.host for each in listed(access)}
    assert all(each.present for each in imported(access, laptop.parent.parent).disks)


def test_a_disk_whose_name_is_no_text(laptop: Path, access: RepositoryAccess) -> None:
    disk = next(laptop.glob("*.vhdx"))
    shutil.copy(os.fsencode(disk), os.fsencode(laptop) + b"/B\xfcro.vhdx")
    result = imported(access, laptop.parent.parent)
    assert sum("B\\xfcro" in each.name for each in result.disks) == 1
    assert {each.name for each in result.disks} == {each.name for each in listed(access)}
    assert all(each.present for each in imported(access, laptop.parent.parent).disks)


@pytest.mark.parametrize("inside", ["", "WindowsImageBackup", "WindowsImageBackup/LAPTOP"])
def test_whichever_folder_is_named(history: Path, access: RepositoryAccess, inside: str) -> None:
    result = imported(access, history / inside, dry_run=True)
    assert {"D:", "EFI system partition"} <= {d.name for d in result.disks if d.host == "LAPTOP"}
    assert listed(access) == ()


def test_renamed_folders(history: Path, access: RepositoryAccess, tmp_path: Path) -> None:
    source = history / "WindowsImageBackup" / "LAPTOP"
    shutil.copytree(source, tmp_path / "WindowsImageBackup of last year" / "LAPTOP")
    result = imported(access, tmp_path / "WindowsImageBackup of last year", dry_run=True)
    assert [each.host for each in result.disks] == ["LAPTOP", "LAPTOP"]


def test_a_name_goes_before_the_volumes(history: Path, access: RepositoryAccess) -> None:
    folder = history / "WindowsImageBackup" / "LAPTOP"
    result = imported(access, folder, name="old", host="attic")
    assert sorted(each.name for each in result.disks) == ["old D:", "old EFI system partition"]
    assert {each.host for each in listed(access)} == {"attic"}


# what is not as it should be


@pytest.fixture
def laptop(history: Path, tmp_path: Path) -> Path:
    """A copy of one backup, to be spoilt; the disk of D: and that of the ESP."""
    source = history / "WindowsImageBackup" / "LAPTOP"
    shutil.copytree(source, tmp_path / "WindowsImageBackup" / "LAPTOP")
    return tmp_path / "WindowsImageBackup" / "LAPTOP" / "Backup 2024-05-06 070809"


@pytest.mark.parametrize("length", [0, 3, 70_000, MIB, 3 * MIB, 4 * MIB + 5])
def test_a_disk_that_was_cut_short(laptop: Path, access: RepositoryAccess, length: int) -> None:
    """The other one is taken over; of this one there is no snapshot that could pass for whole."""
    os.truncate(laptop / f"{D}.vhdx", length)
    told: list[Event] = []
    result = imported_telling(access, told, laptop)
    assert (result.exit_code, result.refused) == (3, 1)
    assert [each.name for each in listed(access)] == ["EFI system partition"]
    (warning,) = warnings(told)
    assert os.fsdecode(warning.path) == str(laptop / f"{D}.vhdx")
    assert_whole(access)


def test_a_fixed_vhd_that_was_cut_short(access: RepositoryAccess, tmp_path: Path) -> None:
    """Its footer tells its kind; without it, it would pass for a raw disk."""
    raw = make_disk(tmp_path / "raw", 8 * MIB, [(0, 8 * MIB)])
    disk = tmp_path / "disk.vhd"
    qemu_img("convert", "-O", "vpc", "-o", "subformat=fixed,force_size=on", raw, disk)
    os.truncate(disk, 6 * MIB)
    with pytest.raises(SourceDamaged, match="not the form of a vhd"):
        imported(access, disk)
    assert listed(access) == ()


def test_a_disk_that_is_missing(laptop: Path, access: RepositoryAccess) -> None:
    (laptop / f"{D}.vhdx").unlink()
    told: list[Event] = []
    result = imported_telling(access, told, laptop)
    assert (result.exit_code, len(result.disks)) == (3, 1)
    assert "the disk of D: is not there" in warnings(told)[0].reason


@pytest.mark.parametrize("content", [None, specs([])])
def test_a_backup_without_disks(
    laptop: Path, access: RepositoryAccess, content: bytes | None
) -> None:
    """It is told, and costs no other backup."""
    empty = laptop.parent / "Backup 2023-01-01 000000"
    empty.mkdir()
    if content is not None:
        (empty / "BackupSpecs.xml").write_bytes(content)
    told: list[Event] = []
    result = imported_telling(access, told, laptop.parent, dry_run=True)
    assert (result.exit_code, len(result.disks)) == (3, 2)
    assert warnings(told) == [SourceWarning(os.fsencode(empty), "import", "no disk is in it")]
    assert imported(access, empty).exit_code == 1


def test_two_disks_of_one_volume_and_time(laptop: Path, access: RepositoryAccess) -> None:
    """Windows does not tell capitals from small letters; only one of them can be that disk."""
    first, second = laptop / f"{D.upper()}.vhdx", laptop / f"{D}.vhdx"
    shutil.copy(laptop / "Esp.vhdx", first)
    told: list[Event] = []
    result = imported_telling(access, told, laptop, laptop, dry_run=True)
    assert (result.exit_code, result.refused, len(result.disks)) == (3, 1, 2)
    (warning,) = warnings(told)
    assert warning.path == os.fsencode(second)
    assert f"the same volume and time as '{first}'" in warning.reason


def test_nothing_can_be_taken_over(laptop: Path, access: RepositoryAccess) -> None:
    for disk in laptop.glob("*.vhdx"):
        disk.write_bytes(b"vhdxfile" + bytes(100))
    result = imported(access, laptop)
    assert (result.exit_code, result.refused, result.disks) == (1, 2, ())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"not XML", "not XML"),
        (b"<!DOCTYPE BackupSpecs [<!ENTITY a 'a'>]><BackupSpecs/>", "document type"),
        (b"<BackupSpecs>" + b"<a/>" * (1 << 19), "bytes"),
    ],
)
def test_specs_that_tell_nothing(
    laptop: Path, access: RepositoryAccess, content: bytes, reason: str
) -> None:
    (laptop / "BackupSpecs.xml").write_bytes(content)
    told: list[Event] = []
    result = imported_telling(access, told, laptop)
    assert result.exit_code == 0
    assert {each.name for each in result.disks} == {f"Windows {D[:8]}", "EFI system partition"}
    assert any(reason in text for text in notices(told))


def test_strange_entries_are_told_and_left_out(
    laptop: Path, access: RepositoryAccess, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.vhdx"
    secret.write_bytes(os.urandom(MIB))
    (laptop / "linked.vhdx").symlink_to(secret)
    (laptop / "folder.vhdx").mkdir()
    os.mkfifo(laptop / "fifo.vhdx")
    (laptop / "HOW_TO_DECRYPT.txt").write_text("pay")
    (laptop.parent / "Backup 2024-02-30 000000").mkdir()
    (laptop.parent / "Backup 2023-01-01 000000").symlink_to(laptop)
    for number in range(30):
        (laptop / f"\x1b[31m{number}").write_bytes(b"")
    told: list[Event] = []
    result = imported_telling(access, told, laptop.parent)
    assert (result.exit_code, len(result.disks)) == (0, 2)
    lines = notices(told)
    for name in ("linked.vhdx", "folder.vhdx", "fifo.vhdx", "HOW_TO", "2024-02-30", "2023-01-01"):
        assert sum(name in line for line in lines) <= 1
    assert any("2024-02-30" in line for line in lines)
    assert lines[-1].endswith("more entries are not known and left out") or len(lines) > 20
    assert len(lines) < 30


def test_a_backup_out_of_the_future(laptop: Path, access: RepositoryAccess) -> None:
    """It would be the latest one for as long."""
    laptop.rename(laptop.parent / "Backup 2999-01-01 000000")
    result = imported(access, laptop.parent)
    assert (result.exit_code, result.refused) == (1, 2)
    assert listed(access) == ()


@pytest.mark.slow
def test_hundreds_of_backups(laptop: Path, access: RepositoryAccess) -> None:
    (laptop / "BackupSpecs.xml").write_bytes(specs([]))
    (laptop / f"{D}.vhdx").unlink()
    for number in range(200):
        day = laptop.parent / f"Backup 2023-{number // 28 + 1:02}-{number % 28 + 1:02} 000000"
        day.mkdir()
        os.link(laptop / "Esp.vhdx", day / "Esp.vhdx")
    result = imported(access, laptop.parent)
    assert (result.exit_code, len(result.disks)) == (0, 201)
    assert sum(each.bytes_stored for each in result.disks[1:]) < MIB
    times = [each.made_time_ns for each in result.disks]
    assert times == sorted(times)


def test_folders_that_hold_no_backup(access: RepositoryAccess, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "WindowsImageBackup"):
        folder.mkdir(exist_ok=True)
        with pytest.raises(UsageError, match="holds no backup"):
            imported(access, folder)


# single files


@pytest.fixture
def old_disk(tmp_path: Path) -> Path:
    """A disk image that was last changed in 2015."""
    raw = make_disk(tmp_path / "raw", 8 * MIB, [(0, 100), (3 * MIB, 2 * MIB)])
    disk = tmp_path / "old.vhdx"
    qemu_img("convert", "-f", "raw", "-O", "vhdx", raw, disk)
    os.utime(disk, ns=(ns("2015-06-07 080910"),) * 2)
    return disk


def test_a_file_is_of_the_time_it_was_changed(
    old_disk: Path, access: RepositoryAccess, tmp_path: Path
) -> None:
    """And does not become the latest backup."""
    options = image.ImageOptions(access=access, disks=(os.fsencode(tmp_path / "raw"),))
    now = image.run(options, ignore)
    (disk,) = imported(access, old_disk, host="attic", name="old").disks
    first, last = listed(access)
    assert (first.id, last.id) == (disk.snapshot, now.disks[0].snapshot)
    assert first.time_ns == first.end_ns == ns("2015-06-07 080910")
    assert (first.host, first.name, first.sources) == ("attic", "old", (os.fsencode(old_disk),))
    (again,) = imported(access, old_disk, host="attic").disks
    assert (again.present, again.snapshot) == (True, disk.snapshot)


def test_what_was_never_written_is_not_read(access: RepositoryAccess, tmp_path: Path) -> None:
    """A virtual disk claims what size it likes; and its image is the same as that of a raw disk."""
    vast = tmp_path / "vast.vhdx"
    qemu_img("create", "-f", "vhdx", vast, "256G")
    (disk,) = imported(access, vast).disks
    assert disk.bytes_disk == 256 << 30
    assert disk.bytes_read < 64 * MIB
    raw = make_disk(tmp_path / "disk.raw", 300 * MIB, [(70 * MIB, MIB), (299 * MIB, MIB)])
    qemu_img("convert", "-f", "raw", "-O", "vhdx", raw, tmp_path / "disk.vhdx")
    filled = tmp_path / "filled.raw"
    filled.write_bytes(raw.read_bytes())  # its zeros have a place
    result = imported(access, raw, tmp_path / "disk.vhdx", filled)
    *few, all_of_it = sorted(each.bytes_read for each in result.disks)
    assert max(few) < 200 * MIB < 300 * MIB == all_of_it
    with open_at(access, ignore) as repository:
        images = {each.root.image for each in repository.snapshots()}
    assert len(images) == 2  # the vast one, and one for all of the others


def test_the_user_knows_the_time_better(old_disk: Path, access: RepositoryAccess) -> None:
    made = ns("2001-02-03 040506")
    (disk,) = imported(access, old_disk, time_ns=made).disks
    assert disk.made_time_ns == made
    assert listed(access)[0].time_ns == made
    with pytest.raises(UsageError, match="time to come"):
        imported(access, old_disk, time_ns=clock.now_ns() + 10**12)
    with pytest.raises(UsageError, match="1970"):
        imported(access, old_disk, time_ns=-1)


def test_one_time_is_not_that_of_many(
    old_disk: Path, history: Path, access: RepositoryAccess
) -> None:
    with pytest.raises(UsageError, match="one time"):
        imported(access, history, time_ns=1)


@pytest.mark.parametrize("wrong", [-(10**18), 2 * 10**18 * 4])
def test_a_file_whose_time_cannot_be(old_disk: Path, access: RepositoryAccess, wrong: int) -> None:
    os.utime(old_disk, ns=(wrong, wrong))
    before = clock.now_ns()
    told: list[Event] = []
    (disk,) = imported_telling(access, told, old_disk).disks
    assert before <= disk.made_time_ns <= clock.now_ns()
    assert any("cannot be right" in text for text in notices(told))


def test_files_that_hold_no_disk(access: RepositoryAccess, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        imported(access, tmp_path / "nothing")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UsageError, match="is no file"):
        imported(access, tmp_path / "fifo")
    bad = tmp_path / "bad.vhdx"
    bad.write_bytes(b"vhdxfile" + bytes(MIB))
    with pytest.raises(SourceDamaged, match=r"bad\.vhdx") as caught:
        imported(access, bad)
    assert "twofold check" not in caught.value.hint


def test_a_disk_that_holds_only_changes(
    old_disk: Path, access: RepositoryAccess, tmp_path: Path
) -> None:
    child = tmp_path / "child.qcow2"
    qemu_img("create", "-f", "qcow2", "-b", old_disk, "-F", "vhdx", child)
    with pytest.raises(SourceDamaged, match="qcow2"):
        imported(access, child)
    with pytest.raises(RefusedUnsafe):
        options = export.ExportOptions(access=access, snapshot="latest", file=str(child))
        export.run(options, ignore)
    assert listed(access) == ()
