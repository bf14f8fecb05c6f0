"""The repository's configuration record (docs/format/objects.md)."""

import msgspec

from twofold.errors import FormatError, NewerFormat

KNOWN_FEATURES: frozenset[str] = frozenset()


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters fixed when the repository was made; sizes in bytes."""

    created_ns: int
    writer: str
    features: list[str] = msgspec.field(default_factory=list)
    chunk_min: int = 512 << 10
    chunk_normal: int = 870 << 10
    chunk_max: int = 4 << 20
    chunk_nc: int = 3
    pack_size: int = 32 << 20
    frame_size: int = 2 << 20

    def check(self) -> None:
        """Raise ``NewerFormat`` for unknown features, ``FormatError`` for impossible sizes."""
        unknown = set(self.features) - KNOWN_FEATURES
        if unknown:
            raise NewerFormat(f"the repository needs what this version lacks: {sorted(unknown)}")
        if not (1 << 16 <= self.frame_size <= 16 << 20 and 1 << 20 <= self.pack_size <= 1 << 30):
            raise FormatError("the repository's configuration is out of bounds")
