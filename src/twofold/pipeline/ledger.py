"""The ledger: every entry met ends in exactly one of stored, unchanged, excluded, failed.

Directories are counted apart: they are containers, and only fail. What vanished between the listing
and the reading was never there as far as this snapshot is concerned, and is counted as well.
"""

from collections import Counter

import msgspec

from twofold.events import Emit, ItemDone, SourceWarning, hears_items
from twofold.format.pages import Failure

MAX_FAILURES = 1_000_000
"""More than these are counted, not listed: the ledger must not outgrow memory."""


class Ledger(msgspec.Struct):
    """Counts per end and per rule, and every failure; told as events while they happen."""

    emit: Emit
    counts: Counter[str] = msgspec.field(default_factory=Counter)
    failures: list[Failure] = msgspec.field(default_factory=list)
    bytes_read: int = 0
    bytes_total: int = 0
    hears_items: bool = False

    def __post_init__(self) -> None:
        self.hears_items = hears_items(self.emit)

    def stored(self, path: bytes, size: int) -> None:
        """Read and stored (or found stored already)."""
        self.stored_many(1, size)
        if self.hears_items:
            self.emit(ItemDone("stored", path, size))

    def stored_many(self, count: int, size: int) -> None:
        """Several at once, where nobody wants to hear of each (``hears_items``)."""
        self.counts["stored"] += count
        self.bytes_total += size

    def unchanged(self, count: int, size: int, excluded: int = 0) -> None:
        """Proven unchanged since the parent snapshot; ``excluded`` were left out then as now."""
        self.counts["unchanged"] += count
        self.bytes_total += size
        if excluded:
            self.counts["excluded"] += excluded

    def excluded(self, path: bytes, rule: str) -> None:
        """Left out by a rule."""
        self.counts["excluded"] += 1
        self.counts["excluded:" + rule] += 1
        self.emit(ItemDone("excluded", path))

    def directory(self) -> None:
        """A directory was entered."""
        self.counts["directories"] += 1

    def failed(self, path: bytes, action: str, reason: str) -> None:
        """Could not be stored; makes the run end with exit code 3."""
        self.counts["failed"] += 1
        if len(self.failures) < MAX_FAILURES:
            self.failures.append(Failure(path, action, reason))
        self.emit(SourceWarning(path, action, reason))

    def imperfect(self, path: bytes, reason: str) -> None:
        """Stored, but something about it should be known."""
        self.counts["imperfect"] += 1
        self.emit(SourceWarning(path, "stored", reason))

    def vanished(self, path: bytes) -> None:
        """Gone between listing and reading."""
        self.counts["vanished"] += 1
        self.emit(ItemDone("vanished", path))

    @property
    def complete(self) -> bool:
        """Whether nothing failed."""
        return not self.counts["failed"]

    def entries(self) -> int:
        """Entries met that have come to an end."""
        ends = ("stored", "unchanged", "excluded", "failed")
        return sum(self.counts[end] for end in ends)
