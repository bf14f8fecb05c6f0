"""Flags for blobs: one byte for each that the index lists, and nothing else.

A blob is the place where it is found first, always in the same order, so ten million of them take
ten megabytes, whatever is marked. Blobs in no index (damage) are kept apart by their ids.
"""

from twofold.errors import FormatError
from twofold.format.index import BlobLocation, IndexRun
from twofold.format.names import BlobKind
from twofold.repository import Index


class BlobMarks:
    """Eight flags for every blob of one kind."""

    def __init__(self, index: Index, kind: BlobKind) -> None:
        self._index = index
        self._kind = kind
        self._runs: list[tuple[IndexRun, bytearray]] = []
        self._elsewhere: dict[bytes, int] = {}
        self._known = -1

    def mark(self, blob_id: bytes, flag: int) -> int:
        """Set a flag; the flags that were set before."""
        place = self._place(blob_id)
        if place is None:
            before = self._elsewhere.get(blob_id, 0)
            self._elsewhere[blob_id] = before | flag
            return before
        number, position = place
        flags = self._runs[number][1]
        before = flags[position]
        flags[position] = before | flag
        return before

    def get(self, blob_id: bytes) -> int:
        """The flags that are set."""
        place = self._place(blob_id)
        if place is None:
            return self._elsewhere.get(blob_id, 0)
        return self._runs[place[0]][1][place[1]]

    def location(self, blob_id: bytes) -> BlobLocation | None:
        """Where the blob is listed first, None where there is no possible place."""
        place = self._place(blob_id)
        if place is None:
            return None
        try:
            return self._runs[place[0]][0].location(place[1])
        except FormatError:
            return None

    def _place(self, blob_id: bytes) -> tuple[int, int] | None:
        if self._known != self._index.version:
            self._take_in()
        for number, (run, _) in enumerate(self._runs):
            position = run.find(blob_id)
            if position >= 0:
                return number, position
        return None

    def _take_in(self) -> None:
        """Runs that became known since; what was marked stays where it is.

        The long ones first: a first backup has most of the blobs in few runs, and each day after
        it adds a short one.
        """
        new = self._index.runs[self._kind][len(self._runs) :]
        for run in sorted(new, key=lambda run: -run.count):
            self._runs.append((run, bytearray(run.count)))
        self._known = self._index.version


class Flagged:
    """The blobs that have one flag, as a set of ids."""

    def __init__(self, marks: BlobMarks, flag: int) -> None:
        self._marks = marks
        self._flag = flag

    def __contains__(self, blob_id: bytes, /) -> bool:
        return bool(self._marks.get(blob_id) & self._flag)

    def add(self, blob_id: bytes, /) -> None:
        """Set the flag."""
        self._marks.mark(blob_id, self._flag)
