"""Taking a pack apart without keys: parts, digests, and repair (docs/format/packs.md).

The footer tells where the parts lie; if it is damaged, walking the section headers from the front
tells the same. Damaged shards are those whose digest does not match; parity rebuilds them. Of the
two digest sections the one whose own digest fits is used. All of this works on ciphertext.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from twofold import parity
from twofold.errors import DamageFound, FormatError, ObjectDamaged
from twofold.format.envelope import HEADER, mirror, second_copy_start
from twofold.format.layout import Buffer
from twofold.format.pack import (
    DIGEST_SIZE,
    DIGESTS,
    FOOTER,
    FRAME,
    SECTION,
    SECTION_MAGIC,
    TABLE,
    Footer,
    short_digest,
)


@dataclass(slots=True)
class PackImage:
    """The bytes of a pack object and what is known of its parts."""

    pack: bytes
    data: bytes
    footer: Footer | None
    problems: list[str] = field(default_factory=list)

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

    def table_section(self, data: Buffer) -> tuple[bytes, bytes]:
        """(section header, sealed table) taken from ``data``."""
        if self.footer is None:
            footer = walk(self.pack, data)
            if footer is None:
                raise FormatError("the parts of the pack cannot be found")
        else:
            footer = self.footer
        start = footer.table_offset
        section = bytes(data[start : start + footer.table_length])
        if len(section) < SECTION.size:
            raise FormatError("the table of the pack is cut short")
        return section[: SECTION.size], section[SECTION.size :]

    def digests(self) -> tuple[bytes, bytes]:
        """(digests of data shards, of parity shards) from the section that is whole."""
        footer = self._footer()
        tail = footer.parity_offset + footer.parity_length + footer.table_length
        for start in (footer.digests_offset, tail):
            section = self.data[start : start + footer.digests_length]
            if len(section) > SECTION.size and section[-DIGEST_SIZE:] == short_digest(
                section[:-DIGEST_SIZE]
            ):
                rows = section[SECTION.size : -DIGEST_SIZE]
                split = len(rows) - 2 * footer.groups * DIGEST_SIZE
                return rows[:split], rows[split:]
        raise ObjectDamaged("both lists of digests are damaged")

    def repaired(self) -> bytes:
        """The pack up to the end of its table, healed from parity as far as that goes."""
        footer = self._footer()
        of_data, of_parity = self.digests()
        size, start = footer.digests_offset, footer.parity_offset
        shards = self.data[start : start + footer.parity_length]
        return parity.salvage(self.data[:size], size, shards, of_data, of_parity).data

    def damaged(self) -> bool:
        """Whether any byte of the object is not what was written."""
        footer = self._footer()
        if footer.groups == 0:
            return self.data != mirror(self.data[: footer.copy_length])
        of_data, of_parity = self.digests()
        front = self.data[: footer.digests_offset]
        start = footer.parity_offset
        shards = self.data[start : start + footer.parity_length]
        table_copy = self.data[start + footer.parity_length :][: footer.table_length]
        digests_copy = self.data[start + footer.parity_length + footer.table_length :]
        digests = self.data[footer.digests_offset :][: footer.digests_length]
        return (
            parity.shard_digests(front) != of_data
            or parity.shard_digests(shards) != of_parity
            or table_copy != self.data[footer.table_offset : footer.digests_offset]
            or digests_copy != digests + footer.encode()
            or any(self.data[footer.digests_offset + footer.digests_length : start])
        )

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
            raise FormatError("the footer belongs to another pack")
    except DamageFound as error:
        problems.append(str(error))
        footer = walk(pack, data)
    return PackImage(pack, data, footer, problems)


def walk(pack: bytes, data: Buffer) -> Footer | None:
    """Rebuild the footer by following section headers from the front; None if that fails."""
    place = HEADER.size
    table_offset = table_length = 0
    while place + SECTION.size <= len(data):
        magic, kind, _, length, _, owner = SECTION.unpack_from(data, place)
        if magic != SECTION_MAGIC or owner != pack[:8]:
            break
        size = SECTION.size + length
        if kind == TABLE:
            table_offset, table_length = place, size
        elif kind == DIGESTS and table_offset:
            return _footer_with_digests(pack, table_offset, table_length, size)
        elif kind != FRAME:
            return None
        place += size
    if not table_offset:
        return None
    return Footer(pack, table_offset, table_length, 0, 0, place + FOOTER.size)


def _footer_with_digests(pack: bytes, offset: int, length: int, digests: int) -> Footer | None:
    """The number of groups follows from the number of digests: one per shard, one for all."""
    shards = -(-(offset + length) // parity.SHARD_SIZE)
    rows = (digests - SECTION.size - DIGEST_SIZE) // DIGEST_SIZE
    groups = (rows - shards) // 2
    if groups < 1:
        return None
    parts = Footer(pack, offset, length, digests, groups, 0)
    end = parts.parity_offset + parts.parity_length + length + digests + FOOTER.size
    return Footer(pack, offset, length, digests, groups, end)
