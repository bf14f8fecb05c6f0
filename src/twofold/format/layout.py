"""Fixed-width little-endian records, declared field by field.

A ``Layout`` is the code twin of a byte table in ``docs/format``: the same names, offsets and sizes.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Any

from twofold.errors import FormatError

Buffer = bytes | bytearray | memoryview


class Layout:
    """A named record of fixed width.

    ``fields`` are (name, struct code) pairs; the name ``reserved`` may repeat and is written as
    zeros and dropped on reading.
    """

    def __init__(self, name: str, fields: Sequence[tuple[str, str]]) -> None:
        self.name = name
        self.fields = tuple(fields)
        codes = "".join(
            f"{struct.calcsize('<' + code)}x" if label == "reserved" else code
            for label, code in fields
        )
        self._struct = struct.Struct("<" + codes)
        self.size = self._struct.size
        self.pack = self._struct.pack
        self.unpack_from = self._struct.unpack_from

    def table(self) -> Iterator[tuple[int, int, str]]:
        """(offset, size, name) of every field, as the documents list them."""
        offset = 0
        for label, code in self.fields:
            size = struct.calcsize("<" + code)
            yield offset, size, label
            offset += size

    def read(self, data: Buffer, offset: int = 0) -> tuple[Any, ...]:
        """Decode one record; ``FormatError`` when the data is too short."""
        if offset < 0 or offset + self.size > len(data):
            raise FormatError(f"{self.name} record is cut short")
        return self._struct.unpack_from(data, offset)

    def iterate(self, data: Buffer) -> Iterator[tuple[Any, ...]]:
        """Decode records that fill ``data`` exactly."""
        return self._struct.iter_unpack(data)
