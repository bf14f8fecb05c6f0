"""The disk of a PC with Windows, as far as one can be made without Windows.

    p1  ESP        FAT32, boot manager and its BCD
    p2  MSR        16 MiB that nothing is known of
    p3  Windows    NTFS: the system (the same on every PC), programs, one user, page files
    p4  recovery   NTFS with attributes that hide it

Everything of the system comes from one seed, everything of the PC from its own.
"""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.disk import ntfs_volumes
from tests.disk.fat_world import run as mtools
from tests.imaging.disks import MIB, run
from tests.imaging.pcs import windows_files as files
from tests.imaging.pcs.disk import Disk, Volume, gpt

ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
MSR = "E3C9E316-0B5C-4DB8-817D-F92DF00215AE"
BASIC = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
RECOVERY = "DE94BBA4-06D1-4D40-A16A-BFD50179D6AC"
DISCARDED = ("/pagefile.sys", "/hiberfil.sys", "/swapfile.sys")


@dataclass(frozen=True)
class Pc:
    """What tells one PC from another with the same Windows."""

    host: str
    mebibytes: int = 128
    """Of the large partition."""
    small_files: int = 1200
    cluster: int = 4096
    sector: int = 512
    age: Callable[[Path, random.Random, int], None] | None = None

    def random(self, about: str) -> random.Random:
        return random.Random(f"{self.host} {about}")

    def guid(self, about: str) -> str:
        return str(uuid.UUID(int=self.random(about).getrandbits(128), version=4)).upper()


def build(folder: Path, pc: Pc) -> Disk:
    """The whole disk."""
    folder.mkdir(exist_ok=True)
    volumes = [
        Volume("vfat", _esp(folder, pc), ESP, "EFI system partition", pc.guid("p1"), "GUID:63"),
        Volume("raw", _msr(folder, pc), MSR, "Microsoft reserved partition", pc.guid("p2")),
        Volume(
            "ntfs",
            _windows(folder, pc),
            BASIC,
            "Basic data partition",
            pc.guid("p3"),
            discarded=DISCARDED,
        ),
        Volume(
            "ntfs", _recovery(folder, pc), RECOVERY, "", pc.guid("p4"), "RequiredPartition,GUID:63"
        ),
    ]
    return gpt(folder / "disk.img", volumes, pc.guid("disk"))


def _esp(folder: Path, pc: Pc) -> Path:
    tree, image = folder / "esp", folder / "esp.img"
    system = random.Random("the boot manager")
    boot = files.program(system, 300_000)
    for name, content in {
        "EFI/Microsoft/Boot/bootmgfw.efi": boot,
        "EFI/Microsoft/Boot/BCD": files.hive(pc.random("bcd"), "BCD00000000", 6),
        "EFI/Microsoft/Boot/BCD.LOG": bytes(4096),
        "EFI/Microsoft/Boot/de-DE/bootmgfw.efi.mui": files.program(system, 70_000),
        "EFI/Microsoft/Boot/Fonts/segoe_slboot.ttf": system.randbytes(90_000),
        "EFI/Boot/bootx64.efi": boot,
    }.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    serial = f"{pc.random('esp').getrandbits(32):08x}"
    words = f"mkfs.fat -F 32 -s 1 -n SYSTEM -i {serial} -C".split()
    mtools(*words, image, str(40 << 10))
    mtools("mcopy", "-s", "-Q", "-i", image, tree / "EFI", "::/")
    return image


def _msr(folder: Path, pc: Pc) -> Path:
    image = folder / "msr.img"
    with image.open("wb") as file:
        file.truncate(16 * MIB)
        file.seek(3 * MIB + 512)
        file.write(pc.random("msr").randbytes(70_000))
    return image


def _windows(folder: Path, pc: Pc) -> Path:
    image = folder / "windows.img"
    ntfs_volumes.make(
        image, size=pc.mebibytes * MIB, cluster=pc.cluster, sector=pc.sector, label="Windows"
    )
    with ntfs_volumes.mounted(image) as top:
        files.system(top, random.Random("the system"), pc.small_files)
        files.user(top, pc.random("user"), pc.host, folder)
        if pc.age:
            pc.age(top, pc.random("age"), pc.cluster)
        files.page_files(top, pc.random("pages"))
    return image


def _recovery(folder: Path, pc: Pc) -> Path:
    image = folder / "recovery.img"
    ntfs_volumes.make(image, size=24 * MIB, cluster=4096, label="Recovery")
    with ntfs_volumes.mounted(image) as top:
        place = top / "Recovery/WindowsRE"
        place.mkdir(parents=True)
        (place / "Winre.wim").write_bytes(random.Random("winre").randbytes(5 * MIB))
        (place / "ReAgent.xml").write_text(f"<WindowsRE host='{pc.host}'/>\n" * 40)
    return image


def age(top: Path, rng: random.Random, cluster: int) -> None:
    """Years of use: nearly full once, then emptied, so that $MFT and files lie in pieces."""
    ballast = top / "Windows/Temp/ballast"
    ballast.parent.mkdir(parents=True, exist_ok=True)
    room = int(run("stat", "-f", "-c", "%f", top)) * cluster - 10 * MIB
    with ballast.open("wb") as file:
        for _ in range(room // MIB):
            file.write(bytes(MIB - 1) + b"x")
    for number in range(3):
        (top / f"Users/old {number}").mkdir()
    ntfs_volumes.full(top / "Users/old 0", rng, cluster)
    ballast.unlink()
    ntfs_volumes.in_pieces(top / "Users/old 1", rng, cluster)
    _logs(top / "Users/old 2", rng)


def _logs(place: Path, rng: random.Random) -> None:
    """Logs that grow in turns, while files come and go."""
    for turn in range(120):
        for number in range(5):
            with (place / f"log {number}.etl").open("ab") as file:
                file.write(rng.randbytes(rng.randrange(200, 9000)))
        (place / f"temporary {turn}").write_bytes(rng.randbytes(rng.randrange(1, 20_000)))
        if turn > 6:
            (place / f"temporary {turn - rng.randrange(1, 6)}").unlink(missing_ok=True)
