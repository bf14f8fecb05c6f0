"""Files that are the same in two images of a file system, told without going into them.

All that is known of a plain file stands in its record, and its content there or in its entry of the
image. If both are the same, byte for byte or by reference, so is the file. Whatever is not that
plain (folders, links, further streams, attributes, damage) is left to who compares it.
"""

from collections.abc import Set as AbstractSet
from typing import NamedTuple

from twofold.errors import DamageFound
from twofold.view.base import FileTree
from twofold.view.inside import ImageTree


class Twins(NamedTuple):
    """Two trees of one kind of file system."""

    one: ImageTree
    other: ImageTree

    def names(self, before: int, after: int) -> AbstractSet[bytes]:
        """Entries of two folders, by their numbers, that are the same file in both."""
        try:
            mine, theirs = self.one.listing(before), self.other.listing(after)
        except DamageFound:
            return frozenset()
        return {
            name
            for name, entry in mine.entries.items()
            if (twin := theirs.entries.get(name)) is not None
            and twin.file == entry.file
            and self._is_same(entry.file)
        }

    def _is_same(self, number: int) -> bool:
        try:
            stored = self.one.stored(number)
            if not stored or stored != self.other.stored(number):
                return False
            plain = self.one.plain(number)
        except DamageFound:
            return False
        if plain is None or plain.inside or not plain.size:
            return plain is not None
        known = self.one.known(number, plain.size)
        return bool(known) and known == self.other.known(number, plain.size)


def twins_of(one: FileTree, other: FileTree) -> Twins | None:
    """None for trees that are not both of images, and of one kind of file system."""
    if isinstance(one, ImageTree) and isinstance(other, ImageTree) and one.kind == other.kind:
        return Twins(one, other)
    return None
