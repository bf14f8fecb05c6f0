"""The repository's own folders among those that are walked, so that it never holds itself.

They are known by identity, which no other way to them can hide: another mount of the same folder, a
link above it, other letters for its name. What else lies beside them is the user's.
"""

from contextlib import suppress

import msgspec

from twofold.format.names import FOLDERS
from twofold.platform import Platform, SourceDir

Identity = tuple[int, int]


class OwnPlace(msgspec.Struct, frozen=True):
    """``top`` is the folder of the repository, ``parts`` are those that it makes in there."""

    top: Identity | None = None
    parts: frozenset[Identity] = frozenset()

    @classmethod
    def of(cls, platform: Platform, folder: bytes | None) -> "OwnPlace":
        """That of the repository in a folder; None is one that lies in none of this computer."""
        if folder is None:
            return cls()
        with suppress(OSError):  # what cannot be opened cannot be backed up either
            top = platform.open_source(folder)
            try:
                return cls(top.identity, frozenset(_parts(top)))
            finally:
                top.close()
        return cls()

    def holds(self, identity: Identity, *, on_the_way: bool) -> bool:
        """Whether a directory is the repository's; its top may lead to what lies beside it."""
        return identity in self.parts or (identity == self.top and not on_the_way)


def _parts(top: SourceDir) -> list[Identity]:
    found = []
    for name in sorted({folder.partition("/")[0] for folder in FOLDERS}):
        with suppress(OSError):  # made when it is first needed
            part = top.open_dir(name.encode())
            found.append(part.identity)
            part.close()
    return found
