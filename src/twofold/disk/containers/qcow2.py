"""QCOW2, the disk image of QEMU, versions 2 and 3 (docs/interop/qcow2 of QEMU, the specification).

The disk is divided into clusters. A table of one level names the tables of the next, whose entries
say where a cluster is: not at all, all zeros, at an offset, or compressed (deflate or zstd) at any
byte. All numbers are big-endian. Snapshots inside of the file are ignored: what is read is the
disk as it is now.
"""

import struct
import sys
import zlib
from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

from twofold.disk.base import BlockReader
from twofold.disk.blocks import MemoryBlocks
from twofold.disk.containers.base import SECTOR, Container, Place, Tables, refused
from twofold.errors import FormatError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAGIC = b"QFI\xfb"
HEADER = struct.Struct(">4sIQIIQIIQQIIQ")
HEADER_3 = struct.Struct(">QQQII")
DIRTY, CORRUPT, EXTERNAL_DATA, COMPRESSION, EXTENDED_L2 = 1, 2, 4, 8, 16
DEFLATE, ZSTD = 0, 1
COMPRESSED_ENTRY = 1 << 62
ZERO_ENTRY = 1
OFFSET = 0x00FFFFFFFFFFFE00
_FIRST_LEVEL_LIMIT = 1 << 22  # 32 MiB, as in QEMU
_FEATURES = (
    (EXTERNAL_DATA, "its data in another file"),
    (EXTENDED_L2, "extended tables (subclusters)"),
    (~(DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION | EXTENDED_L2), "features of a newer kind"),
)


class Header(NamedTuple):
    """The first 72 bytes, as they are laid out."""

    magic: bytes
    version: int
    backing_offset: int
    backing_length: int
    cluster_bits: int
    size: int
    encryption: int
    first_level_entries: int
    first_level: int
    refcount_table: int
    refcount_clusters: int
    snapshots: int
    snapshots_offset: int


def open_qcow2(reader: BlockReader) -> Container:
    """The disk in a QCOW2 file. FormatError on damage and for kinds that are not read."""
    header = Header(*HEADER.unpack(reader.read(0, HEADER.size)))
    if header.magic != MAGIC or header.version not in (2, 3):
        raise refused("this is not a QCOW2 file of version 2 or 3")
    if header.backing_offset:
        raise refused("this QCOW2 file holds only the changes to another image, its backing file")
    if header.encryption:
        raise refused("this QCOW2 file is encrypted")
    features, compression = _features(reader, header.version)
    for feature, words in _FEATURES:
        if features & feature & 0xFFFFFFFFFFFFFFFF:
            raise refused(f"this QCOW2 file has {words}")
    notes = ("The image is marked as corrupt by QEMU.",) if features & CORRUPT else ()
    return Qcow2(reader, header, compression, notes)


def _features(reader: BlockReader, version: int) -> tuple[int, int]:
    """(incompatible features, compression method), which version 2 does not have."""
    if version == 2:
        return 0, DEFLATE
    features, _, _, _, length = HEADER_3.unpack(reader.read(HEADER.size, HEADER_3.size))
    if length < HEADER.size + HEADER_3.size or length % 8:
        raise FormatError("the header of the QCOW2 file has an impossible length")
    if not features & COMPRESSION:
        return features, DEFLATE
    compression = reader.read(104, 1)[0] if length > 104 else DEFLATE
    if compression not in (DEFLATE, ZSTD):
        raise refused(f"this QCOW2 file is compressed by the unknown method {compression}")
    return features, compression


class Qcow2(Container):
    """A disk in clusters that are found through two levels of tables."""

    def __init__(
        self, reader: BlockReader, header: Header, compression: int, notes: tuple[str, ...]
    ) -> None:
        super().__init__(header.size, notes=notes)
        if not 9 <= header.cluster_bits <= 21:
            raise FormatError(f"QCOW2 clusters of 2^{header.cluster_bits} bytes do not exist")
        self._cluster = 1 << header.cluster_bits
        self._reach = self._cluster // 8 * self._cluster  # of one table of the second level
        entries = -(-self.size // self._reach)
        if entries > header.first_level_entries or entries > _FIRST_LEVEL_LIMIT:
            raise FormatError("the first table of the QCOW2 file does not fit the disk's size")
        if header.first_level % 8 or header.first_level + entries * 8 > reader.size:
            raise FormatError("the first table of the QCOW2 file lies outside of the file")
        self._reader = reader
        self._first_level = header.first_level
        self._version = header.version
        inflate = inflate_zstd if compression == ZSTD else inflate_deflate
        self._tables = Tables(reader, "big")
        self._seen: dict[int, int] = {}
        self._decoded = lru_cache(4)(partial(_decode, reader, header.cluster_bits, inflate))

    def place(self, offset: int) -> Place:
        """By both tables."""
        number, inside = divmod(offset, self._reach)
        at = self._first_level + number * 8
        table = self._tables.integer(at, 8) & OFFSET
        if not table:
            tables = self._tables.repeats(at, 8) or 1
            return Place(None, 0, tables * self._reach - inside)
        self._once(table, number)
        index, inside = divmod(inside, self._cluster)
        at = table + index * 8
        entry = self._tables.integer(at, 8)
        left = self._cluster - inside
        if not entry:
            clusters = min(self._tables.repeats(at, 8), self._cluster // 8 - index)
            return Place(None, 0, clusters * self._cluster - inside)
        if entry & COMPRESSED_ENTRY:
            return Place(self._decoded(entry & (COMPRESSED_ENTRY - 1)), inside, left)
        cluster = entry & OFFSET
        if not cluster or (entry & ZERO_ENTRY and self._version > 2):
            return Place(None, 0, left)
        if cluster % self._cluster:
            raise FormatError(f"a cluster of the QCOW2 file lies askew (byte {cluster})")
        return Place(self._reader, cluster + inside, left)

    def _once(self, table: int, number: int) -> None:
        """A table serves one part of the disk: else a small file could take forever to walk."""
        if table % self._cluster or self._seen.setdefault(table, number) != number:
            raise FormatError(f"a table of the QCOW2 file is used twice or askew (byte {table})")


def _decode(
    reader: BlockReader, cluster_bits: int, inflate: Callable[[bytes, int], bytes], entry: int
) -> MemoryBlocks:
    """A compressed cluster: the entry is its offset and its further sectors."""
    bits = 62 - (cluster_bits - 8)
    start = entry & (1 << bits) - 1
    length = ((entry >> bits) + 1) * SECTOR - start % SECTOR
    packed = reader.read(start, min(length, max(reader.size - start, 0)))
    data = inflate(packed, 1 << cluster_bits)
    if len(data) != 1 << cluster_bits:
        raise FormatError(f"a compressed cluster is damaged (byte {start})")
    return MemoryBlocks(data)


def inflate_deflate(packed: bytes, length: int) -> bytes:
    """At most ``length`` bytes out of a raw deflate stream; what follows it is not looked at."""
    try:
        return zlib.decompressobj(-15).decompress(packed, length)
    except zlib.error as error:
        raise FormatError(f"a compressed cluster is damaged ({error})") from error


def inflate_zstd(packed: bytes, length: int) -> bytes:
    """At most ``length`` bytes out of a zstd frame; what follows it is not looked at."""
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 27}
    try:
        return zstd.ZstdDecompressor(options=options).decompress(packed, max_length=length)
    except zstd.ZstdError as error:
        raise FormatError(f"a compressed cluster is damaged ({error})") from error
