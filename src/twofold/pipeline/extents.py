"""Writing the extents of a volume: entries in order, borders by role and owner (images.md)."""

from collections.abc import Iterable, Sequence
from itertools import islice

from twofold.format import pages as fmt
from twofold.format.image import EXTENTS, ExtentEntry, ExtentsPage, entry_key
from twofold.format.records import PageRef
from twofold.pipeline.pages import PageSink, SavePage

_AT_ONCE = 4096


class ExtentsWriter:
    """Extents pages of one volume."""

    def __init__(self, save: SavePage, page_key: bytes) -> None:
        self._sink = PageSink(save)
        self._page_key = page_key
        self._entries: list[ExtentEntry] = []
        self._size = 0
        self._any = False

    def add_all(self, entries: Sequence[ExtentEntry]) -> None:
        """Append entries; role, owner and name ascend."""
        keys = ((entry.role, entry.owner) for entry in entries)
        ends = fmt.extents_page_ends(self._page_key, keys)
        for entry, ends_page in zip(entries, ends, strict=True):
            self._add(entry, ends_page)

    def _add(self, entry: ExtentEntry, ends_page: bool) -> None:
        self._entries.append(entry)
        self._size += 48 + len(entry.name) + len(entry.runs) + len(entry.content)
        full = len(self._entries) >= fmt.MAX_ITEMS or self._size >= fmt.PAGE_AIM
        if full or ends_page:
            self._close()

    def _close(self) -> None:
        first = self._entries[0] if self._entries else None
        key = entry_key(first.role, first.owner) if first is not None else b""
        self._sink.add(fmt.encode_page(ExtentsPage(EXTENTS, self._entries)), key)
        self._entries, self._size, self._any = [], 0, True

    def finish(self) -> PageRef:
        """Close the volume. One without entries has a single empty page."""
        if self._entries or not self._any:
            self._close()
        return self._sink.finish()


def write_extents(save: SavePage, page_key: bytes, entries: Iterable[ExtentEntry]) -> PageRef:
    """All entries of a volume, in order."""
    writer = ExtentsWriter(save, page_key)
    source = iter(entries)
    while some := list(islice(source, _AT_ONCE)):
        writer.add_all(some)
    return writer.finish()
