"""VHDX files whose log was not carried out, made as MS-VHDX section 2.3 says."""

import struct
from typing import NamedTuple
from uuid import UUID

from twofold.disk.containers.vhdx_layout import HEADER_PLACES, HEADER_SIZE, sealed

LOG, LOG_SIZE = 1 << 20, 1 << 20
PAGE = 4096
IDENTITY = UUID("00112233-4455-6677-8899-aabbccddeeff")


class Change(NamedTuple):
    """A page to be written, or a range to be zeros (``length`` bytes, no data)."""

    offset: int
    data: bytes = b""
    length: int = PAGE


def entry(
    sequence: int,
    tail: int,
    changes: list[Change],
    file_size: int,
    identity: UUID = IDENTITY,
) -> bytes:
    """One entry of a log."""
    descriptors, sectors = b"", b""
    for change in changes:
        if change.data:
            first, last = change.data[:8], change.data[-4:]
            descriptors += struct.pack("<4s4s8sQQ", b"desc", last, first, change.offset, sequence)
            halves = sequence >> 32, sequence & 0xFFFFFFFF
            sectors += struct.pack("<4sI", b"data", halves[0]) + change.data[8:-4]
            sectors += struct.pack("<I", halves[1])
        else:
            descriptors += struct.pack(
                "<4sIQQQ", b"zero", 0, change.length, change.offset, sequence
            )
    head_size = -(-(64 + len(descriptors)) // PAGE) * PAGE
    length = head_size + len(sectors)
    head = struct.pack(
        "<4sIIIQII16sQQ",
        b"loge",
        0,
        length,
        tail,
        sequence,
        len(changes),
        0,
        identity.bytes_le,
        file_size,
        file_size,
    )
    return sealed((head + descriptors).ljust(head_size, b"\0") + sectors)


def put_log(data: bytearray, start: int, entries: list[bytes]) -> None:
    """Put entries into the ring one behind the other."""
    for piece in entries:
        for at in range(0, len(piece), PAGE):
            place = LOG + (start + at) % LOG_SIZE
            data[place : place + PAGE] = piece[at : at + PAGE]
        start += len(piece)


def name_log(data: bytearray, identity: UUID = IDENTITY) -> None:
    """Make both headers say that this log is to be carried out."""
    for at in HEADER_PLACES:
        header = bytearray(data[at : at + HEADER_SIZE])
        header[48:64] = identity.bytes_le
        data[at : at + HEADER_SIZE] = sealed(bytes(header))
