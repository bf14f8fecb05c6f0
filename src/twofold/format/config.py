"""The repository's configuration record (docs/format/objects.md).

Features say what a program must know to read, to write or to delete here. Who lacks one of the
first list can do nothing, of the second only read, of the third anything but delete: what it does
not know may be the only way to a blob.
"""

from typing import ClassVar

import msgspec

from twofold.errors import FormatError, NewerFormat, RefusedUnsafe

_UPDATE = "update Twofold on this computer; reading is safe, and nothing was changed"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters fixed when the repository was made; sizes in bytes."""

    KNOWN: ClassVar[frozenset[str]] = frozenset()
    """Features that this program knows, of whatever list."""

    created_ns: int
    writer: str
    features_read: list[str] = msgspec.field(default_factory=list)
    features_write: list[str] = msgspec.field(default_factory=list)
    features_delete: list[str] = msgspec.field(default_factory=list)
    chunk_min: int = 512 << 10
    chunk_normal: int = 870 << 10
    chunk_max: int = 4 << 20
    chunk_nc: int = 3
    pack_size: int = 32 << 20
    frame_size: int = 2 << 20

    def check(self) -> None:
        """Raise ``NewerFormat`` if it cannot be read here, ``FormatError`` for impossible sizes."""
        unknown = self._unknown(self.features_read)
        if unknown:
            raise NewerFormat(f"the repository needs what this version lacks: {unknown}")
        if not (1 << 16 <= self.frame_size <= 16 << 20 and 1 << 20 <= self.pack_size <= 1 << 30):
            raise FormatError("the repository's configuration is out of bounds")

    def check_writing(self) -> None:
        """Raise ``RefusedUnsafe`` if this program must only read."""
        unknown = self._unknown(self.features_write)
        if unknown:
            raise RefusedUnsafe(
                f"this version can read the repository but must not write to it: {unknown}",
                hint=_UPDATE,
            )

    def check_deleting(self) -> None:
        """Raise ``RefusedUnsafe`` if this program must not delete, also if it must not write."""
        self.check_writing()
        unknown = self._unknown(self.features_delete)
        if unknown:
            raise RefusedUnsafe(
                f"this version does not know all that needs the repository's data: {unknown};"
                " what it takes for garbage may be in use",
                hint=_UPDATE,
            )

    def _unknown(self, features: list[str]) -> str:
        """The features that are not known, as they are told."""
        return ", ".join(sorted(set(features) - self.KNOWN))
