"""A new regular file of the restore target, from its temporary name to its final one."""

import errno
import io
import msvcrt
import os
import sys
from contextlib import suppress
from typing import Protocol

from twofold.platform.base import Attributes, Buffer
from twofold.platform.names import temporary_name
from twofold.platform.windows import metadata, system

assert sys.platform == "win32"

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_BINARY | os.O_NOINHERIT
_ZEROS = bytes(1 << 20)


class Folder(Protocol):
    """What a new file needs of the directory it is in; once that is closed, each fails."""

    def path_of(self, name: bytes, *, new: bool = False) -> str: ...

    def publish(self, temporary: bytes, name: bytes) -> None: ...


class WindowsTargetFile:
    """A new regular file under a temporary name in its final directory."""

    def __init__(self, folder: Folder, name: bytes) -> None:
        self._folder = folder
        self._name = name
        self._temporary = temporary_name()
        self._path = folder.path_of(self._temporary)
        self._file = io.FileIO(os.open(self._path, _NEW, 0o600), "r+b")
        self._pending = True

    def _open_file(self) -> io.FileIO:
        if self._file.closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), self._name)
        return self._file

    def resize(self, size: int) -> None:
        """Set the length in bytes; new content reads as zeros and takes no storage. OSError."""
        system.set_sparse(msvcrt.get_osfhandle(self._open_file().fileno()))
        self._file.truncate(size)

    def write_at(self, data: Buffer, offset: int) -> None:
        """Write all bytes at an offset. OSError."""
        self._open_file().seek(offset)
        with memoryview(data) as view:
            done = 0
            while done < len(view):
                done += self._file.write(view[done:])

    def allocate(self, start: int, length: int) -> None:
        """Back a zero range with storage, by writing it. OSError."""
        for at in range(start, start + length, len(_ZEROS)):
            self.write_at(_ZEROS[: start + length - at], at)

    def read_into(self, view: memoryview, offset: int) -> int:
        """Read back until the view is full or the file ends; bytes read. OSError."""
        self._open_file().seek(offset)
        done = 0
        while done < len(view):
            count = self._file.readinto(view[done:])
            if not count:
                break
            done += count
        return done

    def finish(self, attributes: Attributes) -> list[str]:
        """Close, apply metadata, then rename over the final name; returns losses in words.

        After an OSError nothing is left of the temporary file.
        """
        self._open_file()
        try:
            self._file.close()
            losses = metadata.give(self._path, attributes)
            self._folder.publish(self._temporary, self._name)
        except BaseException:
            self.abort()
            raise
        self._pending = False
        return losses

    def abort(self) -> None:
        """Close and remove the temporary file; safe to call twice, and after ``finish``."""
        if self._pending:
            self._pending = False
            with suppress(OSError):
                self._file.close()
            with suppress(OSError):
                os.chmod(self._path, 0o600)  # it may be read-only already
                os.unlink(self._path)
