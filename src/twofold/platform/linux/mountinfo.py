"""The kernel's tables of mounted file systems and of swap space, parsed.

``/proc/self/mountinfo`` has one line per mount (proc_pid_mountinfo(5)):

    36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
    number, parent, device, root, point, options, fields until "-", type, source, super options

Blanks, tabs, newlines and backslashes within a field are written as ``\\ooo``.
"""

import os
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

assert sys.platform == "linux"

_ESCAPE = re.compile(rb"\\([0-7]{3})")


class Mounted(NamedTuple):
    """One mount."""

    number: bytes
    device: int
    """Device number of its files; one of no real device for btrfs and the like."""
    point: bytes
    fs_type: str
    source: bytes
    """Path of the device, where it is on one."""
    writable: bool
    """Whether the file system is, even if this mount of it is not."""


def parse_mounts(table: bytes) -> Iterator[Mounted]:
    """The mounts of a table, those on top last. Lines that are not understood are left out."""
    for line in table.split(b"\n"):
        head, _, tail = line.partition(b" - ")
        fields, words = head.split(b" "), tail.split(b" ")
        if len(fields) < 6 or len(words) < 3 or b":" not in fields[2]:
            continue
        yield Mounted(
            number=fields[0],
            device=device_number(fields[2]),
            point=unescape(fields[4]),
            fs_type=words[0].decode("ascii", "replace"),
            source=unescape(words[1]),
            writable=b"rw" in words[2].split(b","),
        )


def parse_swaps(table: bytes) -> list[bytes]:
    """Paths of the devices and files in ``/proc/swaps``, which begins with a heading."""
    return [unescape(line.split()[0]) for line in table.split(b"\n")[1:] if line.strip()]


def device_number(words: bytes) -> int:
    """The number of a device written as ``major:minor``."""
    major, _, minor = words.partition(b":")
    return os.makedev(int(major), int(minor))


def unescape(field: bytes) -> bytes:
    """A field with its ``\\ooo`` resolved."""
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), field)


def read_table(path: str) -> bytes:
    """The content of a file of the kernel; empty where there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
