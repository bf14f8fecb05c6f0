"""The repository's own folders among those that are walked, so that it never holds itself.

They are known by identity, which no other way to them can hide: another mount of the same folder,
a link above it, other letters for its name. Where another file system shows them as its own (an
overlay, a network drive of this very computer), the session of this run gives them away, for it
lies nowhere else: not in a copy of the repository either, which may well be backed up. What else
lies beside them is the user's.
"""

from contextlib import suppress

import msgspec

from twofold.format.names import CONFIG, FOLDERS, SESSIONS_OPEN, object_name
from twofold.platform import Platform, SourceDir

Identity = tuple[int, int]


class OwnPlace(msgspec.Struct, frozen=True):
    """``top`` is the folder of the repository, ``parts`` are those that it makes in there.

    ``session`` are the names that lead from the top to the session of this run.
    """

    session: tuple[bytes, ...] = ()
    top: Identity | None = None
    parts: frozenset[Identity] = frozenset()

    @classmethod
    def of(cls, platform: Platform, folder: bytes | None, session: bytes | None) -> "OwnPlace":
        """That of the repository in a folder, None if it is in none of this computer.

        ``session`` is the id of the run's, None for a dry one.
        """
        names = object_name(SESSIONS_OPEN, session).encode().split(b"/") if session else []
        if folder is not None:
            with suppress(OSError):  # what cannot be opened cannot be backed up either
                top = platform.open_source(folder)
                try:
                    return cls(tuple(names), top.identity, frozenset(_parts(top)))
                finally:
                    top.close()
        return cls(tuple(names))

    def holds(self, identity: Identity, *, on_the_way: bool) -> bool:
        """Whether a directory is the repository's; its top may lead to what lies beside it."""
        return identity in self.parts or (identity == self.top and not on_the_way)

    def shows(self, directory: SourceDir, listing: bytes) -> bool:
        """Whether a directory with this listing is the repository under another identity."""
        if not self.session or CONFIG.encode() not in listing or self.session[0] not in listing:
            return False
        *folders, name = self.session
        here = directory
        try:
            for folder in folders:
                below = here.open_dir(folder)
                if here is not directory:
                    here.close()
                here = below
            here.stat_child(name)
        except OSError:
            return False
        finally:
            if here is not directory:
                here.close()
        return True


def _parts(top: SourceDir) -> list[Identity]:
    found = []
    for name in sorted({folder.partition("/")[0] for folder in FOLDERS}):
        with suppress(OSError):  # made when it is first needed
            part = top.open_dir(name.encode())
            found.append(part.identity)
            part.close()
    return found
