"""$LogFile as Windows leaves it: restart pages written by hand, as its structures are documented.

restart page   0 "RSTR"  4 2 place of the update sequence  6 2 its length
               16 4 system page  20 4 log page  24 2 place of the restart area
               26 2 minor, 28 2 major version
restart area   0 8 last log number   8 2 clients  10 2 first free  12 2 first in use
               14 2 flags   16 4 bits of sequence numbers   20 2 length of the area
               22 2 place of the clients in it   24 8 bytes of the log
               36 2 header of a record  38 2 place of the data of a page
client         0 8 oldest, 8 8 restart number   16 2 previous, 18 2 next client
               28 4 bytes of the name   32 name
"""

import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

PAGE = 4096
NOBODY = 0xFFFF
CLEAN = 2
_AREA, _CLIENTS = 48, 64


@dataclass(frozen=True)
class Restart:
    """What a restart page is to say. ``torn``: only half of it reached the disk."""

    newest: int = 1000
    client: int = NOBODY
    flags: int = CLEAN
    major: int = 1
    torn: bool = False

    def page(self, log_size: int, number: int = 7) -> bytes:
        """The page as it is on the disk."""
        page = bytearray(PAGE)
        struct.pack_into("<4sHHQIIHHH", page, 0, b"RSTR", 30, 9, 0, PAGE, PAGE, _AREA, 1, 0)
        struct.pack_into("<H", page, 28, self.major)
        bits = 67 - log_size.bit_length()
        struct.pack_into("<QHHHHIHHQ", page, _AREA, self.newest, 1, NOBODY, self.client, self.flags,
                         bits, _CLIENTS + 160, _CLIENTS, log_size)  # fmt: skip
        struct.pack_into("<IHH", page, _AREA + 32, 0, 48, 64)
        client = _AREA + _CLIENTS
        struct.pack_into("<QQHHH", page, client, self.newest, self.newest, NOBODY, NOBODY, 0)
        struct.pack_into("<I", page, client + 28, 8)
        page[client + 32 : client + 40] = "NTFS".encode("utf-16-le")
        struct.pack_into("<H", page, 30, number)
        for sector in range(8):
            end = 512 * sector + 510
            page[32 + 2 * sector : 34 + 2 * sector] = page[end : end + 2]
            struct.pack_into("<H", page, end, number)
        if self.torn:
            page[PAGE // 2 :] = b"\xff" * (PAGE // 2)
        return bytes(page)


WAITING = Restart(client=0, flags=0)
"""As while a volume is in use, and after a power failure."""


def write_log(image: Path, first: Restart | None, second: Restart | None) -> None:
    """Put restart pages at the start of the log; None leaves a page as after emptying."""
    place, size = where(image)
    with image.open("r+b") as file:
        for number, restart in enumerate((first, second)):
            file.seek(place + number * PAGE)
            page = b"\xff" * PAGE if restart is None else restart.page(size, number + 7)
            file.write(page)


def where(image: Path) -> tuple[int, int]:
    """First byte and bytes of $LogFile, which mkntfs makes in one piece, as ntfsinfo says."""
    words = ["ntfsinfo", "-f", "-v", "-i", "2", str(image)]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    data = said.partition("Dumping attribute $DATA")[2].split()
    size = data[data.index("Data") + 2]
    cluster = int(data[data.index("Length") + 2], 16)
    with image.open("rb") as file:
        head = file.read(16)
    return cluster * int.from_bytes(head[11:13], "little") * head[13], int(size)


def probed(image: Path) -> int:
    """What ntfs-3g thinks: 0 sound, 14 hibernated or kept in memory, 15 changes in the log."""
    words = ["ntfs-3g.probe", "--readwrite", str(image)]
    return subprocess.run(words, check=False, capture_output=True).returncode
