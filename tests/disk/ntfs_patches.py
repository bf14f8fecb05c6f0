"""Changes to volumes that no tool makes: edits of file records on the image itself."""

import struct
from collections.abc import Callable
from pathlib import Path

Edit = Callable[[bytearray, int, int], None]
"""Record without its update sequence, offset of the attribute, its length."""


def edit_attribute(image: Path, number: int, kind: int, edit: Edit, name: str = "") -> None:
    """Edit one attribute of a file whose record lies in the first piece of the table of files."""
    data = bytearray(image.read_bytes())
    sector, per_cluster = struct.unpack_from("<HB", data, 11)
    table = int.from_bytes(data[48:56], "little") * sector * per_cluster
    size = 1024 if data[64] == 0xF6 else 4096
    at = table + number * size
    record = bytearray(data[at : at + size])
    array, count = struct.unpack_from("<HH", record, 4)
    for index in range(1, count):
        source = array + 2 * index
        record[512 * index - 2 : 512 * index] = record[source : source + 2]
    place, length = find_attribute(record, kind, name)
    edit(record, place, length)
    for index in range(1, count):
        source = array + 2 * index
        record[source : source + 2] = record[512 * index - 2 : 512 * index]
        record[512 * index - 2 : 512 * index] = record[array : array + 2]
    data[at : at + size] = record
    image.write_bytes(data)


def find_attribute(record: bytearray, kind: int, name: str) -> tuple[int, int]:
    """Offset and length."""
    at = int.from_bytes(record[20:22], "little")
    while True:
        found, length = struct.unpack_from("<II", record, at)
        start = at + int.from_bytes(record[at + 10 : at + 12], "little")
        if found == kind and record[start : start + 2 * record[at + 9]] == name.encode("utf-16-le"):
            return at, length
        assert found != 0xFFFFFFFF, "the attribute is not there"
        at += length
