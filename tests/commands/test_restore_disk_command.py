"""``restore-disk`` as a command: going on after the repository went away, and ids for clones."""

import functools
import json
import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.disk.ext_volumes import may_mount
from tests.format.volumes import volume_of
from tests.imaging.disks import MIB, gpt_disk, make_ext4, new_ntfs, run, starts
from twofold import imaging
from twofold.commands import image, restore_disk
from twofold.errors import NoSpace, NothingDone, RefusedUnsafe, StoreError, TwofoldError, UsageError
from twofold.events import Event, Notice, Progress, ignore
from twofold.format.image import IMAGE, ImagePage
from twofold.imaging import DiskPlan
from twofold.imaging.plan import Target, plan_restore
from twofold.options import RepositoryAccess


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A GPT disk with an EFI partition and an ext4, both with contents."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(12):
        (tree / f"{number}").write_bytes(os.urandom(400_000))
    efi, root = tmp_path / "efi", tmp_path / "root"
    efi.write_bytes(b"")
    os.truncate(efi, 36 * MIB)
    run("mkfs.vfat", "-F", "32", "-i", "abcd1234", efi)
    make_ext4(root, tree, 16 * MIB)
    gpt_disk(tmp_path / "disk", [(efi, "ef00"), (root, "8300")])
    return tmp_path / "disk"


@pytest.fixture
def imaged(access: RepositoryAccess, disk: Path) -> RepositoryAccess:
    image.run(image.ImageOptions(access=access, disks=(os.fsencode(disk),)), ignore)
    return access


@dataclass
class Asked:
    """Keeps the plans that it is shown, and answers."""

    answer: bool = True
    plans: list[DiskPlan] = field(default_factory=list)

    def __call__(self, plan: DiskPlan) -> bool:
        self.plans.append(plan)
        return self.answer


def options(
    access: RepositoryAccess,
    to: Path,
    asked: Asked | None = None,
    *,
    restart: bool = False,
    new_ids: bool = False,
) -> restore_disk.RestoreDiskOptions:
    return restore_disk.RestoreDiskOptions(
        access=access,
        snapshot="latest",
        target=os.fsencode(to),
        restart=restart,
        new_ids=new_ids,
        confirm=asked,
    )


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal is told every MiB."""
    often = functools.partial(imaging.restore_disk, step=MIB)
    monkeypatch.setattr(restore_disk, "restore_disk", often)


def cut_off(access: RepositoryAccess, to: Path, after: int) -> None:
    """A restore whose repository goes away when so many bytes were done, and comes back later."""
    packs, away = Path(access.location), Path(access.location + ".away")

    def unplug(event: Event) -> None:
        if isinstance(event, Progress) and event.done_bytes > after and packs.exists():
            packs.rename(away)

    with pytest.raises((StoreError, TwofoldError)):
        restore_disk.run(options(access, to), unplug)
    away.rename(packs)


@pytest.mark.usefixtures("small_steps")
def test_goes_on_with_a_new_file(imaged: RepositoryAccess, disk: Path, tmp_path: Path) -> None:
    to = tmp_path / "back"
    cut_off(imaged, to, 3 * MIB)
    asked = Asked()
    result = restore_disk.run(options(imaged, to, asked), ignore)
    assert (asked.plans[0].goes_on, asked.plans[0].destroys) == (True, False)
    assert result.exit_code == 0
    assert result.bytes_kept >= MIB
    assert to.read_bytes() == disk.read_bytes()
    anew = restore_disk.run(options(imaged, to), ignore)
    assert anew.bytes_kept == 0  # what was finished is not gone on with


@pytest.mark.usefixtures("small_steps")
def test_begins_anew_where_asked_or_changed(
    imaged: RepositoryAccess, disk: Path, tmp_path: Path
) -> None:
    to = tmp_path / "back"
    cut_off(imaged, to, 3 * MIB)
    assert restore_disk.run(options(imaged, to, restart=True), ignore).bytes_kept == 0
    to.unlink()
    cut_off(imaged, to, 3 * MIB)
    with open(to, "r+b") as file:
        file.write(os.urandom(disk.stat().st_size))
    told: list[Event] = []
    asked = Asked(answer=False)
    assert not restore_disk.run(options(imaged, to, asked), told.append).written
    assert asked.plans[0].destroys
    assert any(isinstance(event, Notice) and "changed" in event.text for event in told)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 2 MiB."""
    if not may_mount():
        pytest.skip("may not mount")
    folder = tmp_path / "small"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=2M", "tmpfs", folder)
    yield folder
    run("umount", folder)


def test_full_file_system(imaged: RepositoryAccess, disk: Path, small_disk: Path) -> None:
    """It is told as such, and with more room the restore ends well."""
    to = small_disk / "back"
    with pytest.raises(NoSpace, match="No space left"):
        restore_disk.run(options(imaged, to), ignore)
    run("mount", "-o", "remount,size=100M", small_disk)
    assert restore_disk.run(options(imaged, to), ignore).exit_code == 0
    assert to.read_bytes() == disk.read_bytes()


def ids(disk: Path) -> tuple[str, list[str]]:
    """The disk's GUID and those of its partitions, as sfdisk reads them."""
    table = json.loads(run("sfdisk", "-J", disk))["partitiontable"]
    return table["id"], [part["uuid"] for part in table["partitions"]]


def serial(disk: Path, number: int) -> dict[str, str]:
    """What blkid says of a partition."""
    offset = starts(disk)[number - 1]
    lines = run("blkid", "-p", "-o", "export", "-O", str(offset), disk).decode().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def test_new_ids_where_the_end_of_the_disk_is_missing(
    access: RepositoryAccess, disk: Path, tmp_path: Path
) -> None:
    """A disk that was copied onto a smaller one: the copy of the table that is there gets them."""
    os.truncate(disk, disk.stat().st_size - MIB // 2)
    image.run(image.ImageOptions(access=access, disks=(os.fsencode(disk),)), ignore)
    to = tmp_path / "clone"
    assert restore_disk.run(options(access, to, new_ids=True), ignore).exit_code == 0
    guid = re.compile(rb"(?:identifier \(GUID\)|unique GUID): ([0-9A-F-]{36})")
    named = [
        set(guid.findall(run("sgdisk", "-p", "-i", "1", "-i", "2", each))) for each in (disk, to)
    ]
    assert [len(each) for each in named] == [3, 3]
    assert not named[0] & named[1]


def test_no_new_ids_where_the_table_is_damaged(
    access: RepositoryAccess, disk: Path, tmp_path: Path
) -> None:
    """Both copies are; the repository is in order, and nothing is written."""
    data = bytearray(disk.read_bytes())
    for header in (512, len(data) - 512):
        data[header + 60] ^= 1
    disk.write_bytes(data)
    image.run(image.ImageOptions(access=access, disks=(os.fsencode(disk),)), ignore)
    to = tmp_path / "clone"
    with pytest.raises(RefusedUnsafe, match="new ids"):
        restore_disk.run(options(access, to, new_ids=True), ignore)
    assert not to.exists()


def test_new_ids_for_a_clone(imaged: RepositoryAccess, disk: Path, tmp_path: Path) -> None:
    to = tmp_path / "clone"
    asked = Asked()
    result = restore_disk.run(options(imaged, to, asked, new_ids=True), ignore)
    assert (result.exit_code, result.wrong) == (0, 0)
    assert b"No problems found" in run("sgdisk", "-v", to)
    old, new = ids(disk), ids(to)
    assert old[0] != new[0]
    assert not set(old[1]) & set(new[1])
    assert len({uuid.UUID(text) for text in (new[0], *new[1])}) == 3
    assert starts(disk) == starts(to)
    assert serial(disk, 1)["UUID"] == "ABCD-1234"
    assert serial(to, 1)["UUID"] != "ABCD-1234"
    assert serial(to, 2)["UUID"] == serial(disk, 2)["UUID"]
    notes = "\n".join(asked.plans[0].new_ids.notes)
    assert "ext4 keeps its id; 'tune2fs -U random'" in notes
    assert "PARTUUID" in notes
    run("fsck.vfat", "-n", _part(to, 0, 36 * MIB, tmp_path / "efi"))
    run("e2fsck", "-fn", _part(to, 1, 16 * MIB, tmp_path / "root"))


def test_new_ids_of_less_than_a_sector(access: RepositoryAccess, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(b"x" * 511)
    image.run(image.ImageOptions(access=access, disks=(os.fsencode(disk),)), ignore)
    done = restore_disk.run(options(access, tmp_path / "back", new_ids=True), ignore)
    assert done.exit_code == 0
    assert (tmp_path / "back").read_bytes() == disk.read_bytes()


def test_a_disk_of_no_bytes_is_no_image(access: RepositoryAccess, tmp_path: Path) -> None:
    """Such is a reader without a card; its image would be the newest of the disk."""
    disk = tmp_path / "disk"
    disk.write_bytes(b"")
    with pytest.raises(NothingDone, match="empty"):
        image.run(image.ImageOptions(access=access, disks=(os.fsencode(disk),)), ignore)


@pytest.mark.parametrize("table", ["gpt", "none"])
def test_sectors_of_another_size_are_refused_or_told(table: str) -> None:
    record = volume_of(MIB, system="fat32", used=MIB)
    page = ImagePage(IMAGE, MIB, 4096, 4096, table, 4096, "", [record])
    device = Target(b"/dev/x", MIB, 512, is_device=True, fresh=False)
    file = Target(b"x", 0, 512, is_device=False, fresh=True)
    words = "and would not be understood" if table == "gpt" else "the disk had 4096"
    with pytest.raises(RefusedUnsafe, match=words):
        plan_restore(page, device)
    (note,) = plan_restore(page, device, 1).notes
    assert "had sectors of 4096 bytes, the target has 512" in note
    (note,) = plan_restore(page, file).notes
    assert "losetup -b 4096" in note
    assert plan_restore(page, replace(device, sector_size=4096)).notes == ()


def test_new_signature_of_an_mbr(access: RepositoryAccess, tmp_path: Path) -> None:
    disk, to = tmp_path / "mbr", tmp_path / "clone"
    disk.write_bytes(b"")
    os.truncate(disk, 24 * MIB)
    run("bash", "-c", f"echo 'label: dos\nlabel-id: 0x11223344\n2048,32768,7' | sfdisk -q {disk}")
    ntfs = new_ntfs(tmp_path / "ntfs")
    run("dd", f"if={ntfs}", f"of={disk}", "bs=1M", "seek=1", "conv=notrunc")
    image.run(image.ImageOptions(access=access, disks=(os.fsencode(disk),)), ignore)
    result = restore_disk.run(options(access, to, new_ids=True), ignore)
    assert (result.exit_code, result.wrong) == (0, 0)
    assert json.loads(run("sfdisk", "-J", disk))["partitiontable"]["id"] == "0x11223344"
    assert json.loads(run("sfdisk", "-J", to))["partitiontable"]["id"] != "0x11223344"
    assert serial(to, 1)["UUID"] != serial(disk, 1)["UUID"]
    boot, copy = (to.read_bytes()[at : at + 512] for at in (MIB, 17 * MIB - 512))
    assert boot == copy
    run("ntfsfix", "-n", _part(to, 0, 16 * MIB, tmp_path / "part"))


def _part(disk: Path, index: int, size: int, to: Path) -> Path:
    start = starts(disk)[index]
    to.write_bytes(disk.read_bytes()[start : start + size])
    return to


def test_places_that_are_no_target(imaged: RepositoryAccess, tmp_path: Path) -> None:
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(tmp_path / "nowhere")
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="leads nowhere"):
        restore_disk.run(options(imaged, link), ignore)
    with pytest.raises(UsageError, match="neither a disk nor a file"):
        restore_disk.run(options(imaged, pipe), ignore)
    assert not (tmp_path / "nowhere").exists()


def test_the_repository_is_never_overwritten(
    imaged: RepositoryAccess, disk: Path, tmp_path: Path
) -> None:
    """Not even a pack that is large enough, nor by another way to the folder."""
    pack = next(each for each in Path(imaged.location).rglob("*") if each.stat().st_size > MIB)
    os.truncate(pack, disk.stat().st_size)
    way = tmp_path / "way"
    way.symlink_to(pack.parent)
    before = pack.read_bytes()
    for target in (pack, way / pack.name, pack.parent / "new"):
        with pytest.raises(RefusedUnsafe, match="repository itself"):
            restore_disk.run(options(imaged, target), ignore)
    assert pack.read_bytes() == before
    assert not (pack.parent / "new").exists()
