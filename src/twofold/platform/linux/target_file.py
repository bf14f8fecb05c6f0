"""A new regular file of the restore target, from its temporary name to its final one."""

import errno
import os
import sys
from contextlib import suppress
from typing import Protocol

from twofold.platform.base import Attributes, Buffer
from twofold.platform.linux import flags, metadata, system
from twofold.platform.names import temporary_name

assert sys.platform == "linux"

_NO_SPACE_CALL = (errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)


class Folder(Protocol):
    """What a new file needs of the directory it is in; once that is closed, each fails."""

    def create_temporary(self, temporary: bytes) -> int: ...

    def discard(self, temporary: bytes) -> None: ...

    def pristine(self) -> bool: ...

    def publish(self, temporary: bytes, name: bytes) -> None: ...


class LinuxTargetFile:
    """A new regular file under a temporary name in its final directory."""

    def __init__(self, folder: Folder, name: bytes, early_flags: int) -> None:
        self._folder = folder
        self._name = name
        self._temporary = temporary_name()
        self._fd = folder.create_temporary(self._temporary)
        if early_flags:
            flags.set_early_flags(self._fd, early_flags)

    def resize(self, size: int) -> None:
        """Set the length in bytes; new content reads as zeros. OSError."""
        os.ftruncate(self._fd, size)

    def write_at(self, data: Buffer, offset: int) -> None:
        """Write all bytes at an offset. OSError."""
        done = os.pwrite(self._fd, data, offset)
        if done < len(data):
            with memoryview(data) as view:
                while done < len(view):
                    done += os.pwrite(self._fd, view[done:], offset + done)

    def allocate(self, start: int, length: int) -> None:
        """Back a zero range with storage, where the file system can. OSError (ENOSPC)."""
        if length <= 0:
            return
        try:
            os.posix_fallocate(self._fd, start, length)
        except OSError as error:
            if error.errno not in _NO_SPACE_CALL:
                raise

    def read_into(self, view: memoryview, offset: int) -> int:
        """Read back until the view is full or the file ends; bytes read. OSError."""
        done = 0
        while done < len(view):
            count = os.preadv(self._fd, [view[done:]], offset + done)
            if not count:
                break
            done += count
        return done

    def finish(self, attributes: Attributes) -> list[str]:
        """Apply metadata, then rename over the final name; returns losses in words.

        After an OSError nothing is left of the temporary file.
        """
        try:
            losses = metadata.give(self._fd, attributes, pristine=self._folder.pristine())
            system.surface_write_errors(self._fd)
            self._folder.publish(self._temporary, self._name)
        except BaseException:
            self.abort()
            raise
        try:
            if attributes.flags is not None:
                losses += flags.give_flags(self._fd, attributes.flags)
        finally:
            self._close()
        return losses

    def abort(self) -> None:
        """Close and remove the temporary file; safe to call twice, and after ``finish``."""
        if self._fd != system.CLOSED:
            with suppress(OSError):
                self._close()
            self._folder.discard(self._temporary)

    def _close(self) -> None:
        fd, self._fd = self._fd, system.CLOSED
        os.close(fd)
