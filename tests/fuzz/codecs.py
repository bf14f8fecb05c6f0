"""Small decoders: functions of bytes, whose inputs may have any length.

Each is used as its callers use it, and what it gives must be possible: no more bytes than were
asked for, runs inside of their volume, names that are names.
"""

import random
import re
from collections.abc import Callable
from contextlib import suppress
from itertools import islice

from tests.fuzz.damage import LONG
from tests.native.fuzz.mutate import mutated
from twofold.disk.base import HOLE, Kind
from twofold.disk.clusters.notes import Notes
from twofold.disk.containers.qcow2 import inflate_deflate, inflate_zstd
from twofold.disk.containers.vmdk_descriptor import parse_descriptor, plain_name
from twofold.disk.exfat import entries as exfat_entries
from twofold.disk.exfat.system import read_system
from twofold.disk.ext import acl, directory, superblock
from twofold.disk.fat import directory as fat_directory
from twofold.disk.fat.boot import is_fat
from twofold.disk.hive import Hive, checksum
from twofold.disk.hive_log import marvin, recovered
from twofold.disk.lvm_text import parse_text
from twofold.disk.ntfs import attributes, fixups, lznt1, reparse, values, wof, xpress
from twofold.disk.ntfs.boot import parse_boot
from twofold.disk.ntfs.content import Bytes
from twofold.disk.ntfs.index import Index
from twofold.disk.ntfs.journal import waiting
from twofold.disk.ntfs.runs import RunMap, decode_runs
from twofold.disk.ntfs.table import _extensions
from twofold.errors import FormatError

_UNITS = 1 << 40
_RECORD = 1024
Decode = Callable[[bytes], object]


def ntfs_boot(data: bytes) -> None:
    """Sizes that fit together."""
    found = parse_boot(data[:512].ljust(512, b"\0"))
    assert found.cluster >= found.sector and found.table < found.units


def ntfs_record(data: bytes) -> None:
    """A file record with all of its attributes."""
    record = data[:_RECORD].ljust(_RECORD, b"\0")
    head = attributes.head_of(record, 0)
    for kind, at, length in attributes.walk(record, 0, head, _RECORD):
        with suppress(FormatError):
            _attribute(attributes.part_at(record, kind, at, length))


def _attribute(part: attributes.Part) -> None:
    if not part.resident:
        stored = attributes.pack(part, _UNITS)
        assert all(run.first == HOLE or run.first + run.units <= _UNITS for run in stored.runs)
        assert 0 <= stored.valid <= stored.size
        return
    value = attributes.value_of(part)
    uses: dict[int, Decode] = {
        attributes.STANDARD_INFORMATION: values.information,
        attributes.FILE_NAME: values.file_name,
        attributes.VOLUME_INFORMATION: values.volume_version,
        attributes.EXTENDED_ATTRIBUTES: lambda it: list(values.extended_attributes(it)),
        attributes.REPARSE_POINT: reparse_point,
        attributes.ATTRIBUTE_LIST: lambda it: _extensions(it, 5),
        attributes.INDEX_ROOT: lambda it: list(Index(it, None, 4096).entries()),
    }
    uses.get(part.kind, len)(value)


def ntfs_values(data: bytes) -> None:
    """The small attributes one after the other, of the same bytes."""
    for use in (
        values.information,
        values.file_name,
        values.volume_version,
        lambda it: list(values.extended_attributes(it)),
        lambda it: _extensions(it, 5),
    ):
        with suppress(FormatError):
            use(data)


def ntfs_runs(data: bytes) -> None:
    """A run list, and the map made of it."""
    units = 1 << data[0] % 64 if data else 1
    runs = decode_runs(data, 1, len(data), units)
    assert all(run.units > 0 for run in runs)
    assert all(run.first == HOLE or 0 <= run.first <= units - run.units for run in runs)
    found = RunMap(run for run in runs if run.units < 1 << 40)
    length = found.units * 512
    pieces = list(islice(found.pieces(0, length, 512), 1000))
    assert sum(size for _, size in pieces) == length or len(pieces) == 1000
    sum(size for _, size in islice(found.holes(length, 512, 8192), 1000))
    assert found.stored(0, found.units) <= found.units


def ntfs_fixups(data: bytes) -> None:
    """A block of records at once is what it is record by record."""
    block = data[: len(data) // _RECORD * _RECORD]
    at_once = bytearray(block)
    torn = fixups.mend_block(at_once, _RECORD, b"FILE")
    for number in range(len(block) // _RECORD):
        at = number * _RECORD
        try:
            one = fixups.mend(block[at : at + _RECORD], b"FILE")
        except FormatError:
            assert number in torn
        else:
            assert number not in torn and at_once[at : at + _RECORD] == one


def ntfs_index(data: bytes) -> None:
    """A tree: all entries, and a search."""
    size = int.from_bytes(data[:2], "little")
    tree = Index(data[2 : 2 + size], Bytes(data[2 + size :]), 4096)
    with suppress(FormatError):
        for entry in islice(tree.entries(), 1000):
            with suppress(FormatError):
                values.file_name(entry.key)
    tree.find(lambda key: (key > data[:8]) - (key < data[:8]))


def ntfs_log(data: bytes) -> None:
    """Whether it is clean."""
    waiting(Bytes(data))


def compressed_lznt1(data: bytes) -> None:
    """No more than a unit."""
    assert len(lznt1.decode(data, 1 << 16)) <= 1 << 16


def compressed_xpress(data: bytes) -> None:
    """Exactly what was asked for."""
    size = 1 + int.from_bytes(data[:2], "little")
    assert len(xpress.decode(data[2:], size)) == size


def compressed_wof(data: bytes) -> None:
    """A file of Windows' own compression, read at its start, across chunks and at its end."""
    chunk = wof.chunk_size(data[:16])
    size = int.from_bytes(data[16:21], "little")
    content = wof.WofContent(Bytes(data[21:]), chunk, size)
    for offset in (0, chunk - 10, size // 2, max(0, size - 20)):
        with suppress(FormatError):
            assert len(content.read(offset, 100)) == max(0, min(100, size - offset))


def reparse_point(data: bytes) -> None:
    """Tag, kind and target."""
    tag, inner = reparse.parse(data)
    reparse.kind_of(tag, Kind.FILE)
    reparse.target_of(tag, inner)


def ext_superblock(data: bytes) -> None:
    """Numbers that fit a volume of 1 GiB."""
    found = superblock.parse(data[:1024].ljust(1024, b"\0"), 1 << 30)
    assert found.blocks * found.block_size <= 1 << 30
    assert found.groups > 0 and found.units >= 0
    _ = found.label, found.uuid, found.clean, found.checksum_seed


def ext_directory(data: bytes) -> None:
    """A block, old and new, and one that stands in its inode."""
    for typed in (True, False):
        with suppress(FormatError):
            for name, inode, _ in directory.entries(data, 1 << 20, typed=typed):
                assert 0 < len(name) < 256 and 0 < inode <= 1 << 20
    with suppress(FormatError):
        list(directory.inline(data, 1 << 20))


def ext_acl(data: bytes) -> None:
    """As Linux shows it: whole entries."""
    assert len(acl.shown(data)) % 8 == 4


def fat_entries(data: bytes) -> None:
    """The slots of a directory, labels and names."""
    slots = [(at // 32, data[at : at + 32]) for at in range(0, len(data) // 32 * 32, 32)]
    notes = Notes()
    for wide in (True, False):
        for record in fat_directory.records(slots, wide=wide, code_page="cp850", notes=notes):
            assert record.name and b"/" not in record.name
            record.facts()
    list(fat_directory.labels(slots))
    for number, slot in slots[:4]:
        fat_directory.begins_with_itself(slot, 5, wide=True)
        with suppress(FormatError):
            fat_directory.single(number, slot, wide=True, code_page="cp437")


def fat_boot(data: bytes) -> None:
    """Whether it may be one."""
    is_fat(data[:512])


def exfat_sets(data: bytes) -> None:
    """Sets of slots, and what they say of files and of the volume."""
    slots = [(at // 32, data[at : at + 32]) for at in range(0, len(data) // 32 * 32, 32)]
    sets = list(exfat_entries.sets(slots))
    read_system(sets)
    for number, members in sets:
        with suppress(FormatError):
            record = exfat_entries.file_of(number, members)
            assert record.name and b"/" not in record.name
            record.facts()


def lvm_text(data: bytes) -> None:
    """Sections of settings."""
    parse_text(data.decode("utf-8", "replace"))


def vmdk_text(data: bytes) -> None:
    """A descriptor, and the names of its files."""
    for extent in parse_descriptor(data).extents:
        with suppress(FormatError):
            name = plain_name(extent.file)
            assert "/" not in name and name not in ("", ".", "..")


def cluster_deflate(data: bytes) -> None:
    """No more than a cluster."""
    assert len(inflate_deflate(data, 1 << 16)) <= 1 << 16


def cluster_zstd(data: bytes) -> None:
    """No more than a cluster."""
    assert len(inflate_zstd(data, 1 << 16)) <= 1 << 16


def registry_hive(data: bytes) -> None:
    """Keys, values and their data, as far as a few hundred of them go."""
    hive = Hive(data)
    pending = [hive.root]
    for _ in range(100):
        if not pending:
            break
        key = pending.pop()
        with suppress(FormatError):
            pending += islice(key.subkeys(), 50)
        with suppress(FormatError):
            key.texts()
        with suppress(FormatError):
            for value in islice(key.values(), 50):
                hive.data(value)


def registry_log(data: bytes) -> None:
    """A hive with a log: length of the hive, the hive, the log. Sums of the log are mended."""
    size = int.from_bytes(data[:4], "little")
    log = bytearray(data[4 + size :])
    if len(log) >= 552:
        log[508:512] = checksum(log[:512]).to_bytes(4, "little")
        length = min(int.from_bytes(log[516:520], "little"), 8192)
        log[536:544] = marvin(bytes(log[552 : 512 + length])).to_bytes(8, "little")
        log[544:552] = marvin(bytes(log[512:544])).to_bytes(8, "little")
    found = recovered(data[4 : 4 + size], [bytes(log)])
    assert found is None or len(found) < 1 << 28


Change = Callable[[bytes, random.Random], bytes]


def behind_codes(data: bytes, chance: random.Random) -> bytes:
    """Damage behind the table of codes, for a table that was touched is mostly none."""
    rest = mutated([data[258:]], f"{chance.random()}")
    return field_of_two(data[:2], chance) + data[2:258] + rest


def field_of_two(size: bytes, chance: random.Random) -> bytes:
    """The length that is asked for, seldom another one."""
    return chance.randbytes(2) if chance.random() < 0.1 else size


def by_words(data: bytes, chance: random.Random) -> bytes:
    """Lines and words of a text lost, doubled, exchanged; numbers at borders."""
    parts = re.split(rb"(\n)" if chance.random() < 0.5 else rb"([\s=,{}\[\]]+)", data)
    for _ in range(chance.choice((1, 1, 2, 3))):
        at, other = chance.randrange(len(parts)), chance.randrange(len(parts))
        parts[at] = chance.choice(
            (b"", parts[at] * 2, parts[other], parts[other], b"%d" % chance.choice(LONG))
        )
    return b"".join(parts)


CHANGES: dict[str, Change] = {
    "xpress": behind_codes,
    "lvm text": by_words,
    "vmdk text": by_words,
}
"""Of decoders whose first check refuses nearly all that is damaged byte by byte."""

CODECS: dict[str, Decode] = {
    "hive": registry_hive,
    "hive log": registry_log,
    "ntfs boot": ntfs_boot,
    "ntfs record": ntfs_record,
    "ntfs values": ntfs_values,
    "ntfs runs": ntfs_runs,
    "ntfs fixups": ntfs_fixups,
    "ntfs index": ntfs_index,
    "ntfs log": ntfs_log,
    "lznt1": compressed_lznt1,
    "xpress": compressed_xpress,
    "wof": compressed_wof,
    "reparse": reparse_point,
    "ext superblock": ext_superblock,
    "ext directory": ext_directory,
    "ext acl": ext_acl,
    "fat entries": fat_entries,
    "fat boot": fat_boot,
    "exfat sets": exfat_sets,
    "lvm text": lvm_text,
    "vmdk text": vmdk_text,
    "deflate": cluster_deflate,
    "zstd": cluster_zstd,
}
