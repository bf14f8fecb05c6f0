"""How each program is told to image a disk and to write one back, and what it does in which order.

restic and borg take the disk as a large file. A disk has no time of change, so both are told to
read it again although its file is the same; what they write back may have holes.
"""

from collections.abc import Iterator
from pathlib import Path

from bench.images_disks import part_of, used_of
from bench.images_fixed import FixedBlocks
from bench.images_program import Action, Imager
from bench.measure import Pipeline
from bench.peers import Borg, Restic, Twofold
from bench.program import Program, World


class TwofoldImage(Imager, Twofold):
    """Twofold, with all that it does with images."""

    scope = "used"

    def backup(self, world: World) -> Pipeline:
        return [[self.command, "image", str(world.source)]]

    def restore(self, world: World) -> Pipeline:
        return [[self.command, "restore-disk", "latest", "--to", str(self.landed(world))]]

    def actions(self, world: World) -> Iterator[Action]:
        yield Action("first", self.backup(world))
        yield Action("unchanged", self.backup(world))
        yield Action("proven", [[self.command, "image", "--skip-unchanged", str(world.source)]])
        yield Action("restore", self.restore(world), self.landed(world))
        file = self.landed(world).with_suffix(".qcow2")
        yield Action("export", [[self.command, "export", "latest", str(file)]], file)


class TwofoldAfterFiles(TwofoldImage):
    """Twofold, when the files of the disk are in the repository already."""

    name = "twofold after files"

    def actions(self, world: World) -> Iterator[Action]:
        files = [[self.command, "backup", str(world.source.parent / "files")]]
        yield Action("files", files, mounted=True)
        yield Action("first", self.backup(world))
        yield Action("restore", self.restore(world), self.landed(world))


class Again(Imager):
    """A program that can image into what it has already."""

    def actions(self, world: World) -> Iterator[Action]:
        for step in ("first", "unchanged"):
            world.number += 1
            yield Action(step, self.backup(world))
        yield Action("restore", self.restore(world), self.landed(world))


class ResticImage(Again, Restic):
    """restic of the raw disk."""

    def backup(self, world: World) -> Pipeline:
        return [[*super().backup(world)[0], "--force"]]

    def restore(self, world: World) -> Pipeline:
        snapshot = f"latest:{world.source.parent}"
        words = ["restore", "--quiet", "--sparse", snapshot, "--target", str(world.restored)]
        return [[self.command, *words]]


class BorgImage(Again, Borg):
    """borg of the raw disk."""

    def backup(self, world: World) -> Pipeline:
        (words,) = super().backup(world)
        return [[*words[:2], "--files-cache=disabled", *words[2:]]]

    def restore(self, world: World) -> Pipeline:
        (words,) = super().restore(world)
        return [[*words[:4], "--sparse", *words[4:]]]

    def landed(self, world: World) -> Path:
        return Borg.landed(self, world)


class Streamed(Imager):
    """A tool that writes what is in use on a partition as one stream; zstd 1 packs it."""

    scope = "part"
    settings = "piped through zstd -1, not encrypted"
    give: tuple[str, ...] = ()  # before the partition: make it a stream on standard output
    take: tuple[str, ...] = ()  # before the file: make it from a stream on standard input

    def init(self, world: World) -> list[Pipeline]:
        return [[["mkdir", str(world.repository)]]]

    def backup(self, world: World) -> Pipeline:
        give = [self.command, *self.give, str(part_of(world.source))]
        return [give, ["zstd", "-q", "-1", "-c", "-o", str(world.repository / "image.zst")]]

    def restore(self, world: World) -> Pipeline:
        unpack = ["zstd", "-q", "-d", "-c", str(world.repository / "image.zst")]
        return [unpack, [self.command, *self.take, str(self.landed(world))]]


class Ntfsclone(Streamed):
    """ntfsclone, of ntfs-3g."""

    name = "ntfsclone+zstd"
    tool = "ntfsclone"
    give = ("--quiet", "--save-image", "--output", "-")
    take = ("--quiet", "--restore-image", "-", "--output")


class Partclone(Streamed):
    """partclone, which has one program for each kind of file system."""

    name = "partclone+zstd"
    give = ("-q", "-f", "1", "-c", "-L", "partclone.log", "-o", "-", "-s")
    take = ("-q", "-f", "1", "-r", "-C", "-W", "-L", "partclone.log", "-s", "-", "-o")


class PartcloneNtfs(Partclone):
    """That for NTFS. The last sector does not come back, and ntfsclone would tell so."""

    tool = "partclone.ntfs"
    proof = (tool, "-q", "-c", "-L", "/dev/null", "-o", "-", "-s")


class PartcloneExt4(Partclone):
    """That for ext4."""

    tool = "partclone.ext4"


class QemuImg(Imager):
    """qemu-img, which makes a QCOW2 of the disk as it is."""

    name = tool = "qemu-img"
    settings = "convert -O qcow2: neither compressed nor encrypted"

    def init(self, world: World) -> list[Pipeline]:
        return [[["mkdir", str(world.repository)]]]

    def backup(self, world: World) -> Pipeline:
        words = [self.command, "convert", "-f", "raw", "-O", "qcow2", str(world.source)]
        return [[*words, str(world.repository / "disk.qcow2")]]

    def restore(self, world: World) -> Pipeline:
        words = [self.command, "convert", "-f", "qcow2", "-O", "raw"]
        return [[*words, str(world.repository / "disk.qcow2"), str(self.landed(world))]]

    def actions(self, world: World) -> Iterator[Action]:
        yield Action("export", self.backup(world))
        yield Action("restore", self.restore(world), self.landed(world))


class Plain(Imager):
    """Reading and copying as many bytes as are in use: what the kernel alone costs."""

    name = "cat and cp"
    tool = "cp"
    settings = "plain read and copy of a file of as many bytes as are in use"

    def init(self, world: World) -> list[Pipeline]:
        return [[["mkdir", str(world.repository)]]]

    def backup(self, world: World) -> Pipeline:
        return [["sh", "-c", 'exec cat "$0" > /dev/null', str(used_of(world.source))]]

    def restore(self, world: World) -> Pipeline:
        return [[self.command, str(used_of(world.source)), str(self.landed(world))]]

    def actions(self, world: World) -> Iterator[Action]:
        yield Action("unchanged", self.backup(world))
        yield Action("restore", self.restore(world))


PEERS: dict[str, tuple[type[Imager], ...]] = {
    "ntfs": (
        TwofoldImage,
        TwofoldAfterFiles,
        Ntfsclone,
        PartcloneNtfs,
        ResticImage,
        BorgImage,
        QemuImg,
        Plain,
    ),
    "ext4": (
        TwofoldImage,
        TwofoldAfterFiles,
        PartcloneExt4,
        ResticImage,
        BorgImage,
        QemuImg,
        Plain,
    ),
}
ON_DISK: dict[str, tuple[type[Imager], ...]] = {
    "ntfs": (TwofoldImage, TwofoldAfterFiles, Ntfsclone, Plain),
    "ext4": (TwofoldImage, TwofoldAfterFiles, PartcloneExt4, Plain),
}
PAIRS: tuple[tuple[type[Program], type[Imager]], ...] = (  # for files, and for disks
    (Twofold, TwofoldImage),
    (Restic, ResticImage),
    (Borg, BorgImage),
    (FixedBlocks, FixedBlocks),
)
