"""What lies on the large partition of a PC with Windows: of everything that NTFS can, some."""

import os
import random
import struct
from pathlib import Path

from tests.disk import ntfs_volumes, wim_resources

MIB = 1 << 20

_HIDDEN_SYSTEM = struct.pack(">I", 0x26)
_COMPRESSED_FOLDER = struct.pack(">I", 0x810)


def hive(rng: random.Random, name: str, bins: int) -> bytes:
    """What looks like a registry hive: a header, and bins of keys between noise."""
    head = struct.pack("<4sIIQIIIIII", b"regf", 7, 7, 1, 1, 5, 0, 1, 32, bins * 4096)
    head += name.encode("utf-16-le")
    found = [head.ljust(4096, b"\0")]
    for number in range(bins):
        keys = b"".join(b"nk\x20\0key %d of %d" % (n, rng.getrandbits(20)) for n in range(90))
        block = struct.pack("<4sII20x", b"hbin", number * 4096, 4096) + keys
        found.append((block + rng.randbytes(900)).ljust(4096, b"\0")[:4096])
    return b"".join(found)


def program(rng: random.Random, size: int) -> bytes:
    """What looks like a program: a header, code, text, zeros to the end of the section."""
    code = rng.randbytes(size * 2 // 3)
    text = b"".join(b"Error %08x in module %d\0" % (rng.getrandbits(32), n) for n in range(40))
    body = b"MZ\x90\0" + bytes(60) + code + text * (size // len(text) // 4 + 1)
    return body[:size].ljust(-(-size // 512) * 512, b"\0")


def system(top: Path, rng: random.Random, small_files: int) -> None:
    """Windows itself; hard links between its store and its folders, as it has them."""
    system32, store = top / "Windows/System32", top / "Windows/WinSxS"
    for folder in (system32 / "config", system32 / "drivers/etc", store / "Manifests"):
        folder.mkdir(parents=True)
    for number in range(70):
        name = f"api-ms-win-core-{rng.getrandbits(40):010x}-l1-1-{number}.dll"
        place = store / f"amd64_microsoft-windows-{rng.getrandbits(64):016x}_31bf3856ad364e35"
        place.mkdir()
        (place / name).write_bytes(program(rng, int(2 ** rng.uniform(11, 18.5))))
        os.link(place / name, system32 / name)
    (system32 / "ntoskrnl.exe").write_bytes(program(rng, 5 * MIB))
    (system32 / "drivers/etc/hosts").write_bytes(b"127.0.0.1 localhost\r\n")
    for number in range(small_files):
        words = f"<assembly version='{rng.getrandbits(60):x}'/>\r\n" * rng.randrange(1, 40)
        (store / f"Manifests/amd64_{rng.getrandbits(80):020x}_{number}.manifest").write_text(words)
    packed = top / "Program Files/Packed"
    packed.mkdir(parents=True)
    ntfs_volumes.compressed(packed, rng, 4096)


def user(top: Path, rng: random.Random, host: str, scratch: Path) -> None:
    """Settings of this PC and all that its user has."""
    config = top / "Windows/System32/config"
    for name in ("SYSTEM", "SOFTWARE", "SAM", "SECURITY", "DEFAULT"):
        (config / name).write_bytes(hive(rng, f"{host}\\{name}", rng.randrange(20, 120)))
        (config / f"{name}.LOG1").write_bytes(rng.randbytes(8192))
    home = top / "Users/Jörg"
    for name in ("Documents", "Downloads", "Pictures", "AppData/Local/Temp", "AppData/Roaming"):
        (home / name).mkdir(parents=True)
    (home / "NTUSER.DAT").write_bytes(hive(rng, f"{host}\\user", 60))
    for number in range(14):
        (home / f"Pictures/DSC{number:05}.jpg").write_bytes(rng.randbytes(rng.randrange(900_000)))
    for number in range(60):
        text = f"Dear reader, {rng.getrandbits(50)}\r\n" * rng.randrange(1, 900)
        (home / f"Documents/letter {number}.txt").write_text(text)
    _streams(home / "Downloads", rng)
    _names(home / "Documents/names", rng)
    _sparse(home / "AppData/Local/Temp", rng)
    _links(top, home)
    _rights(home / "AppData/Roaming", rng)
    _packed_by_windows(home / "Documents", scratch)
    _bin(top, rng)


def _streams(place: Path, rng: random.Random) -> None:
    for number in range(25):
        file = place / f"setup {number}.exe"
        file.write_bytes(program(rng, rng.randrange(500, 90_000)))
        zone = f"[ZoneTransfer]\r\nZoneId=3\r\nHostUrl=https://example.org/{number}\r\n"
        Path(f"{file}:Zone.Identifier").write_text(zone)
    Path(f"{place}/setup 0.exe:big").write_bytes(rng.randbytes(700_000))
    Path(f"{place}/setup 0.exe:größe 名").write_bytes(rng.randbytes(300))
    Path(f"{place}:on a folder").write_bytes(rng.randbytes(30_000))


def _names(place: Path, rng: random.Random) -> None:
    place.mkdir()
    ntfs_volumes.odd_names(place, rng, 4096)
    deep = place.joinpath(*["a rather long name of a folder"] * 9)
    deep.mkdir(parents=True)
    (deep / "bottom").write_bytes(b"deep down")
    short = place / "a name that has a short one.document"
    short.write_bytes(b"short")
    os.setxattr(short, "system.ntfs_dos_name", b"ANAME~1.DOC")


def _sparse(place: Path, rng: random.Random) -> None:
    with (place / "sparse.vhd").open("wb") as file:
        for at in (0, 5 * MIB + 70_001, 40 * MIB):
            file.seek(at)
            file.write(rng.randbytes(200_000))
        file.truncate(64 * MIB)
    with (place / "nothing.bin").open("wb") as file:
        file.truncate(20 * MIB)


def _links(top: Path, home: Path) -> None:
    (top / "Documents and Settings").mkdir()
    _reparse(top / "Documents and Settings", junction("C:\\Users"))
    (home / "to letter").touch()
    _reparse(home / "to letter", symbolic_link("Documents\\letter 1.txt"))
    (home / "OneDrive.txt").touch()
    _reparse(home / "OneDrive.txt", struct.pack("<IHH", 0x9000701A, 4, 0) + b"data")


def _reparse(path: Path, value: bytes) -> None:
    os.setxattr(path, "system.ntfs_reparse_data", value)


def symbolic_link(target: str) -> bytes:
    """A relative symbolic link ([MS-FSCC] 2.1.2.4)."""
    name = target.encode("utf-16-le")
    data = struct.pack("<HHHHI", 0, len(name), len(name), len(name), 1) + name + name
    return struct.pack("<IHH", 0xA000000C, len(data), 0) + data


def junction(target: str) -> bytes:
    """A mount point to a folder ([MS-FSCC] 2.1.2.5)."""
    name, shown = ("\\??\\" + target).encode("utf-16-le"), target.encode("utf-16-le")
    data = struct.pack("<HHHH", 0, len(name), len(name) + 2, len(shown))
    data += name + b"\0\0" + shown + b"\0\0"
    return struct.pack("<IHH", 0xA0000003, len(data), 0) + data


def _rights(place: Path, rng: random.Random) -> None:
    """Access lists, extended attributes, object ids, flags."""
    for number in range(40):
        file = place / f"right {number}.dat"
        file.write_bytes(rng.randbytes(number * 40))
        os.setxattr(file, "system.ntfs_acl", descriptor(number))
    os.setxattr(place / "right 1.dat", "system.ntfs_attrib_be", struct.pack(">I", 0x23))
    os.setxattr(place / "right 2.dat", "system.ntfs_object_id", rng.randbytes(16))
    ea = struct.pack("<IBBH", 20, 0, 4, 5) + b"NAME\0value\0\0"
    os.setxattr(place / "right 3.dat", "system.ntfs_ea", ea)


def sid(*numbers: int) -> bytes:
    """Of the Windows authority."""
    return struct.pack("<BB6s", 1, len(numbers), b"\0\0\0\0\0\5") + struct.pack(
        f"<{len(numbers)}I", *numbers
    )


def descriptor(number: int) -> bytes:
    """Self-relative: owner, group, a protected list that denies one and allows two."""
    owner = sid(21, number, number * 7, 9, 1000)
    aces = b""
    for kind, mask, whom in ((1, 0x10000, owner), (0, 0x1F01FF, sid(32, 544)), (0, 0x89, owner)):
        aces += struct.pack("<BBHI", kind, 3, 8 + len(whom), mask) + whom
    acl = struct.pack("<BBHHH", 2, 0, 8 + len(aces), 3, 0) + aces
    end = 20 + len(acl)
    head = struct.pack("<BBHIIII", 1, 0, 0x9004, end, end + len(owner), 0, 20)
    return head + acl + owner + owner


def _packed_by_windows(place: Path, scratch: Path) -> None:
    """A file as CompactOS keeps it: a hole with the content in a stream of its own."""
    text = b"".join(b"%d is a number\n" % number for number in range(20_000))
    stored = wim_resources.compress(text, scratch, 4096)
    file = place / "compact.txt"
    file.touch()
    Path(f"{file}:WofCompressedData").write_bytes(stored)
    os.truncate(file, len(text))
    _reparse(file, struct.pack("<IHHIIII", 0x80000017, 16, 0, 1, 2, 1, 0))


def _bin(top: Path, rng: random.Random) -> None:
    place = top / "$Recycle.Bin/S-1-5-21-1-2-3-1001"
    place.mkdir(parents=True)
    for number in range(8):
        (place / f"$R{number:06}.txt").write_bytes(rng.randbytes(rng.randrange(30_000)))
        (place / f"$I{number:06}.txt").write_bytes(struct.pack("<QQQ", 2, 5, 130_000_000_000))
    os.setxattr(top / "$Recycle.Bin", "system.ntfs_attrib_be", _HIDDEN_SYSTEM)


def page_files(top: Path, rng: random.Random) -> None:
    """Nonsense that no image need keep; marked as Windows marks it."""
    shadows = top / "System Volume Information"
    shadows.mkdir()
    (shadows / "tracking.log").write_bytes(rng.randbytes(20_480))
    for path, size in (("pagefile", 3 * MIB), ("hiberfil", 2 * MIB), ("swapfile", MIB)):
        file = top / f"{path}.sys"
        file.write_bytes(rng.randbytes(size))
        os.setxattr(file, "system.ntfs_attrib_be", _HIDDEN_SYSTEM)
