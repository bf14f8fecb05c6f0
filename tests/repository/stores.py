"""Stores that misbehave: a drive with bad sectors, and one that is read-only."""

from dataclasses import dataclass, field

from twofold.backend import LocalBackend
from twofold.errors import StoreError

SECTOR = 4096


@dataclass
class BadSectors:
    """A wrapper that refuses every read that touches a bad sector, as drives do."""

    inner: LocalBackend
    bad: dict[str, set[int]] = field(default_factory=dict)
    out_of_reach: bool = False
    refused: int = 0

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read, unless a bad sector is in the way."""
        if self.out_of_reach:
            self.refused += 1
            raise StoreError(f"cannot reach {name}")
        end = self.inner.size(name) if length is None else offset + length
        sectors = range(offset // SECTOR, -(-min(end, self.inner.size(name)) // SECTOR))
        if not self.bad.get(name, set()).isdisjoint(sectors):
            self.refused += 1
            raise StoreError(f"cannot read {name}: Input/output error")
        return self.inner.get(name, offset, length)

    def size(self, name: str) -> int:
        """Bytes, unless nobody is there."""
        if self.out_of_reach:
            raise StoreError(f"cannot reach {name}")
        return self.inner.size(name)

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)
