"""Which files are the file system's own, and which hold nothing that anybody wants back.

Its own are the first 16 records and all that lies below $Extend ($UsnJrnl, $Quota, $ObjId, ...).

Not wanted back are, if Windows marked them as system files:

    \\pagefile.sys, \\swapfile.sys, \\hiberfil.sys   in the root directory, with no other name
    \\System Volume Information\\{...}{3808876b-c176-4e48-b7ae-04046e6cc752}   old data kept by VSS

A hibernation file that reads zeros makes Windows start anew instead of waking up with a memory
that the disk no longer agrees with.
"""

from collections.abc import Callable, Iterator, Sequence

from twofold.disk.ntfs.notes import Notes
from twofold.disk.ntfs.values import DOS, FileName, file_name, information
from twofold.errors import FormatError

ROOT = 5
EXTEND = 11
FIRST_USER_RECORD = 16

Names = Callable[[int], Iterator[tuple[int, FileName]]]
"""The entries of a directory: number of the file and name."""

_DISCARDED = {b"pagefile.sys", b"swapfile.sys", b"hiberfil.sys"}
_SHADOWS = b"system volume information"
_SHADOW_COPY = b"{3808876b-c176-4e48-b7ae-04046e6cc752}"
_SYSTEM_FILE = 4
_DIRECTORY = 0x10000000
_MOST = 10_000  # files below $Extend; Windows makes some dozens


class System:
    """Knows the system's files from two looks into directories; damage there is noted."""

    def __init__(self, names: Names, notes: Notes) -> None:
        self._names = names
        self._notes = notes
        self.below_extend = frozenset(self._safely(self._descend()))
        shadows = self._safely(n for n, name in names(ROOT) if name.name.lower() == _SHADOWS)
        self._shadows = next(iter(shadows), ROOT)
        self.parents = {number.to_bytes(6, "little") for number in (ROOT, self._shadows)}
        """The folders, as $FILE_NAME has them, in which files are that nobody wants back."""

    def _safely(self, numbers: Iterator[int]) -> list[int]:
        found = []
        try:
            for number in numbers:
                found.append(number)
        except FormatError as error:
            self._notes.tell(f"not all system files are known: {error.message}")
        return found

    def _descend(self) -> Iterator[int]:
        """All below $Extend, each once."""
        seen: set[int] = set()
        waiting = [EXTEND]
        while waiting:
            for number, name in self._names(waiting.pop()):
                if number in seen or number < FIRST_USER_RECORD or name.space == DOS:
                    continue
                if len(seen) == _MOST:
                    raise FormatError("$Extend has more files than Windows puts there")
                seen.add(number)
                yield number
                if name.attributes & _DIRECTORY:
                    waiting.append(number)

    def owns(self, number: int) -> bool:
        """Whether a file is the file system's own."""
        return number < FIRST_USER_RECORD or number in self.below_extend

    def discards(self, names: Sequence[bytes], infos: Sequence[bytes]) -> bool:
        """Whether nobody wants the content of a file back, by its $FILE_NAMEs and information."""
        for value in names:
            if value[:6] in self.parents:
                break
        else:
            return False
        told = [name for name in map(file_name, names) if name.space != DOS]
        if len(told) != 1 or not self._is_discarded(told[0]):
            return False
        return any(information(value).attributes & _SYSTEM_FILE for value in infos)

    def _is_discarded(self, name: FileName) -> bool:
        lower = name.name.lower()
        if name.parent == ROOT:
            return lower in _DISCARDED
        return name.parent == self._shadows and lower.endswith(_SHADOW_COPY)
