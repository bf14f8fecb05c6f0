"""The boot sector: how large the pieces of a volume are, and where its table of files begins.

    3   8  "NTFS    "              40  8  sectors of the volume
    11  2  bytes per sector        48  8  first cluster of $MFT
    13  1  sectors per cluster     56  8  first cluster of $MFTMirr
    64  1  size of a file record   72  8  serial number
    510 2  55 AA

Sizes of records are clusters if positive, else the negative power of two in bytes. Sectors per
cluster above 128 are such a power too: F4 stands for 4096 sectors.
"""

import struct

import msgspec

from twofold.disk.base import BlockReader
from twofold.errors import FormatError

_FIELDS = struct.Struct("<3x8sHB26xQQQb7xQ")
_SECTORS = (512, 1024, 2048, 4096)
_RECORDS = (1024, 2048, 4096)
_MAX_CLUSTER = 2 << 20


class Geometry(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in bytes, places in clusters."""

    sector: int
    cluster: int
    units: int
    """Clusters of the volume."""
    record: int
    """Bytes of a file record."""
    table: int
    """First cluster of $MFT."""
    mirror: int
    """First cluster of the copy of its first records."""
    serial: int


def read_geometry(reader: BlockReader) -> Geometry:
    """That of the volume; FormatError if it is none, or does not fit into the reader."""
    if reader.size < 512:
        raise FormatError("too small for an NTFS volume")
    geometry = parse_boot(reader.read(0, 512))
    if geometry.units * geometry.cluster > reader.size:
        raise FormatError("the NTFS volume is longer than the place it lies in")
    return geometry


def parse_boot(sector: bytes) -> Geometry:
    """From the first 512 bytes; FormatError when they contradict themselves."""
    magic, size, per_cluster, sectors, table, mirror, record, serial = _FIELDS.unpack_from(sector)
    if magic != b"NTFS    " or sector[510:512] != b"\x55\xaa":
        raise FormatError("not an NTFS volume")
    if size not in _SECTORS:
        raise FormatError(f"sectors of {size} bytes")
    sectors_each = _sectors_per_cluster(per_cluster)
    cluster = size * sectors_each
    units = sectors // sectors_each
    if cluster > _MAX_CLUSTER or units * cluster >= 1 << 63:
        raise FormatError(f"{units} clusters of {cluster} bytes")
    if table >= units or mirror >= units:
        raise FormatError("the table of files begins outside of the volume")
    return Geometry(
        sector=size,
        cluster=cluster,
        units=units,
        record=_record_size(record, cluster),
        table=table,
        mirror=mirror,
        serial=serial,
    )


def _sectors_per_cluster(stored: int) -> int:
    count = stored if stored <= 128 else 1 << (256 - stored)
    if count == 0 or count & (count - 1) or count > 4096:
        raise FormatError(f"{count} sectors per cluster")
    return count


def _record_size(stored: int, cluster: int) -> int:
    size = stored * cluster if stored > 0 else 1 << -stored
    if size not in _RECORDS:
        raise FormatError(f"file records of {size} bytes")
    return size
