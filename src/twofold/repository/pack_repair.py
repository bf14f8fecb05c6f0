"""Taking a pack apart without keys: parts, digests, and repair (docs/format/packs.md).

The footer tells where the parts lie; if it is damaged, walking the section headers from the front
tells the same, finding the next header by its magic where one is damaged too. Damaged shards are
those whose digest does not match; parity rebuilds them. Of the two lists of digests the one whose
own digest fits is used. All of this works on ciphertext, hence on what anybody may have written: no
place or length counts before it is held against the bytes there are.
"""

from collections.abc import Iterator

import msgspec

from twofold import parity
from twofold.errors import DamageFound, FormatError, ObjectDamaged
from twofold.format.envelope import ALIGNMENT, HEADER, mirror, second_copy_start
from twofold.format.layout import Buffer
from twofold.format.pack import (
    DIGEST_SIZE,
    DIGESTS,
    FOOTER,
    FRAME,
    MAX_FRAMES,
    MIRROR_LIMIT,
    SECTION,
    SECTION_MAGIC,
    TABLE,
    Footer,
    short_digest,
)


class PackImage(msgspec.Struct):
    """The bytes of a pack object and what is known of its parts."""

    pack: bytes
    data: bytes
    footer: Footer | None
    problems: list[str] = msgspec.field(default_factory=list)

    def candidates(self) -> Iterator[Buffer]:
        """The pack's front part as stored, then repaired in every way there is.

        Each has the same offsets as the pack itself; whether a repair went far enough shows when
        its frames are opened.
        """
        yield self.data
        if self.footer is None or self.footer.groups == 0:
            yield memoryview(self.data)[second_copy_start(len(self.data)) :]
        if self.footer is not None and self.footer.groups:
            yield self.repaired()

    def tables(self, data: Buffer) -> Iterator[tuple[bytes, bytes]]:
        """(section header, sealed table) out of a candidate, then out of the copy at the end."""
        footer = self.footer or walk(self.pack, data)
        if footer is None:
            raise FormatError("the parts of the pack cannot be found")
        yield _section(data, footer.table_offset, footer.table_length)
        if footer.groups:
            yield _section(self.data, _tail(footer), footer.table_length)

    def digests(self) -> tuple[bytes, bytes]:
        """(digests of data shards, of parity shards) from the section that is whole."""
        footer = self._footer()
        for start in (footer.digests_offset, _tail(footer) + footer.table_length):
            section = self.data[start : start + footer.digests_length]
            if len(section) > SECTION.size and section[-DIGEST_SIZE:] == short_digest(
                section[:-DIGEST_SIZE]
            ):
                rows = section[SECTION.size : -DIGEST_SIZE]
                split = len(rows) - 2 * footer.groups * DIGEST_SIZE
                return rows[:split], rows[split:]
        raise ObjectDamaged("both lists of digests are damaged")

    def shards(self) -> bytes:
        """The parity as stored."""
        footer = self._footer()
        return self.data[footer.parity_offset : _tail(footer)]

    def repaired(self) -> bytes:
        """The pack up to the end of its table, healed from parity as far as that goes."""
        return self.salvaged().data

    def salvaged(self, data: Buffer | None = None) -> parity.Repaired:
        """What parity makes of the pack up to the end of its table, or of ``data`` in its place."""
        size = self._footer().digests_offset
        front = memoryview(self.data)[:size] if data is None else data
        return parity.salvage(front, size, self.shards(), *self.digests())

    def faults(self) -> list[str]:
        """What is not as it was written, in words; empty for a pack without damage."""
        found = list(self.problems)
        if self.footer is None:
            return found or ["its parts cannot be found"]
        if self.footer.groups == 0:
            if self.data != mirror(self.data[: self.footer.copy_length]):
                found.append("its two copies differ")
            return found
        try:
            found += _shard_faults(self.salvaged())
        except DamageFound as error:
            found.append(str(error))
        return found + self.tail_faults()

    def tail_faults(self) -> list[str]:
        """The same of what lies behind the frames of a large pack."""
        footer = self._footer()
        data, digests, tail = self.data, footer.digests_length, _tail(footer)
        start = footer.digests_offset
        first = data[footer.table_offset : start + digests]
        second = data[tail : tail + footer.table_length + digests]
        found = []
        if first != second:
            found.append("its two tables or lists of digests differ")
        if any(data[start + digests : footer.parity_offset]):
            found.append("the space before its parity is not empty")
        if not self.problems and data[tail + len(first) :] != footer.encode():
            found.append("its footer is damaged")
        return found

    def _footer(self) -> Footer:
        if self.footer is None:
            raise ObjectDamaged("the parts of the pack cannot be found")
        return self.footer


def parse_pack(pack: bytes, data: bytes) -> PackImage:
    """Find the parts of a pack; never raises, problems are told in the result."""
    problems = []
    footer: Footer | None = None
    try:
        footer = Footer.decode(data[-FOOTER.size :])
        if footer.pack != pack:
            raise FormatError("its footer belongs to another pack")
        if not _fits(footer, len(data)):
            raise FormatError("its footer does not fit its size")
    except DamageFound as error:
        problems.append(str(error))
        footer = walk(pack, data)
    return PackImage(pack, data, footer, problems)


def _fits(footer: Footer, size: int) -> bool:
    """Whether the parts fill a pack of this size exactly."""
    if footer.table_offset < HEADER.size:
        return False
    if footer.groups == 0:
        copy = footer.digests_offset + FOOTER.size
        both = -(-copy // ALIGNMENT) * ALIGNMENT + copy
        return footer.digests_length == 0 and footer.copy_length == copy and both == size
    end = _tail(footer) + footer.table_length + footer.digests_length + FOOTER.size
    return end == size == footer.copy_length


def walk(pack: bytes, data: Buffer) -> Footer | None:
    """Rebuild the footer by following section headers from the front; None if that fails."""
    table_offset = table_length = 0
    end = HEADER.size
    for place, kind, size in _sections(pack, bytes(data)):
        end = place + size
        if kind == TABLE and not table_offset:
            table_offset, table_length = place, size
        elif kind == DIGESTS and table_offset:
            return _footer_with_digests(pack, table_offset, table_length, size, len(data))
    if not table_offset:
        return None
    return Footer(pack, table_offset, table_length, 0, 0, end + FOOTER.size)


def _sections(pack: bytes, data: bytes) -> Iterator[tuple[int, int, int]]:
    """(place, kind, size) of the sections that follow one another, passing over what is none."""
    place = HEADER.size
    for _ in range(MAX_FRAMES + 4):
        if place + SECTION.size > len(data):
            return
        magic, kind, _, length, _, owner = SECTION.unpack_from(data, place)
        whole = magic == SECTION_MAGIC and owner == pack[:8] and kind in (FRAME, TABLE, DIGESTS)
        if not whole or place + SECTION.size + length > len(data):
            place = data.find(SECTION_MAGIC, place + 1)
            if place < 0:
                return
            continue
        yield place, kind, SECTION.size + length
        if kind == TABLE and not _followed(data, place + SECTION.size + length):
            return
        place += SECTION.size + length


def _followed(data: bytes, place: int) -> bool:
    """Whether another section begins right there: in a small pack none follows the table."""
    return data.startswith(SECTION_MAGIC, place)


def _footer_with_digests(
    pack: bytes, offset: int, length: int, digests: int, size: int
) -> Footer | None:
    """The number of groups follows from the number of digests: one per shard, one for all."""
    shards = -(-(offset + length) // parity.SHARD_SIZE)
    rows = (digests - SECTION.size - DIGEST_SIZE) // DIGEST_SIZE
    groups = (rows - shards) // 2
    parts = Footer(pack, offset, length, digests, groups, 0)
    end = _tail(parts) + length + digests + FOOTER.size
    if groups < 1 or end > 4 * size + MIRROR_LIMIT:  # parity is a small part of any pack
        return None
    return Footer(pack, offset, length, digests, groups, end)


def _tail(footer: Footer) -> int:
    """Where the second copies begin."""
    return footer.parity_offset + footer.parity_length


def _section(data: Buffer, start: int, length: int) -> tuple[bytes, bytes]:
    section = bytes(data[start : start + length])
    return section[: SECTION.size], section[SECTION.size :]


def _shard_faults(found: parity.Repaired) -> list[str]:
    faults = []
    if found.rebuilt:
        faults.append(f"{len(found.rebuilt)} of its 4 KiB pieces are damaged but can be rebuilt")
    if found.lost:
        faults.append(f"{len(found.lost)} of its 4 KiB pieces are damaged beyond repair")
    if found.parity_shards:
        faults.append(f"{len(found.parity_shards)} pieces of its parity are damaged")
    return faults
