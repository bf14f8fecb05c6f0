"""The target side: everything is written below directories whose handles pin their paths.

A new entry begins under a temporary name in its final directory and is renamed over its final
name when it is finished. Read-only entries in the way are made writable first.
"""

import errno
import os
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from twofold.platform import names as rules
from twofold.platform.base import Attributes, Buffer, Dropped, Entry, Steps, TargetDir
from twofold.platform.windows import metadata, mounts, paths, records, source, system, target_file

assert sys.platform == "win32"

_PIN = system.SHARE_READ | system.SHARE_WRITE  # not SHARE_DELETE: cannot be moved while open


class WindowsTargetDir:
    """An open directory of the restore target."""

    listed = True

    def __init__(self, path: str, handle: int) -> None:
        self._path = path
        self._handle = handle
        self._identity = source.describe(handle)[0]

    @classmethod
    def open(cls, path: bytes, *, create: bool) -> "WindowsTargetDir":
        """Open (or make) the root of a target by path, following links. OSError."""
        text = paths.to_text(path)
        if create:
            os.makedirs(paths.verbatim(os.path.abspath(text)), exist_ok=True)
        return cls._open(paths.verbatim(os.path.realpath(text, strict=True)), path)

    @classmethod
    def _open(cls, path: str, name: bytes) -> "WindowsTargetDir":
        handle = system.open_plain_directory(path, name, _PIN)
        try:
            return cls(path, handle)
        except OSError:
            system.close(handle)
            raise

    @property
    def device(self) -> int:
        """Volume number; changes where another file system begins."""
        return self._identity[0]

    @property
    def identity(self) -> tuple[int, int]:
        """(Volume, file number) as they were when the directory was opened."""
        return self._identity

    @property
    def fs_type(self) -> str:
        """File system name as the system calls it."""
        return mounts.fs_type(self._path)

    def path_of(self, name: bytes, *, new: bool = False) -> str:
        """Path of a child while this directory is open. OSError for what is not a name."""
        if self._handle == system.CLOSED:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        if new:
            rules.check_windows_name(name)
        return paths.child(self._path, name)

    def dropped(self) -> Dropped:
        """Nothing that is known of."""
        return Dropped()

    def existing(self, name: bytes) -> Entry | None:
        """A look at a child without following it, None if there is none."""
        try:
            return source.look(self.path_of(name))[1]._replace(name=name)
        except FileNotFoundError:
            return None

    def names(self) -> list[bytes]:
        """All children."""
        with os.scandir(self._path) as children:
            return [paths.to_bytes(child.name) for child in children]

    def open_dir(self, name: bytes) -> "WindowsTargetDir":
        """Open a child directory; refuses links and junctions. OSError."""
        return self._open(self.path_of(name), name)

    def open_parent(self) -> "WindowsTargetDir":
        """Open the directory above; compare its ``identity``. OSError."""
        return self._open(paths.parent(self._path), b"..")

    def make_dir(self, name: bytes, *, flags: int = 0) -> "WindowsTargetDir":  # noqa: ARG002
        """Create and open a child directory; no attribute needs it empty. OSError."""
        os.mkdir(self.path_of(name, new=True))
        return self.open_dir(name)

    def create_file(
        self,
        name: bytes,
        *,
        flags: int = 0,  # noqa: ARG002 - no attribute needs an empty file
    ) -> target_file.WindowsTargetFile:
        """Begin a new file that will be called ``name``. OSError."""
        self.path_of(name, new=True)
        return target_file.WindowsTargetFile(self, name)

    def write_batch(
        self,
        names: Sequence[bytes],
        data: Sequence[Buffer],
        attributes: Sequence[Attributes],
    ) -> list[tuple[int, list[str]]]:
        """Create small files whole (temp, write, metadata, rename); per file (errno, losses)."""
        return [
            self._write_small(name, content, wanted)
            for name, content, wanted in zip(names, data, attributes, strict=True)
        ]

    def write_below(
        self,
        steps: Steps,
        counts: Sequence[int],
        names: Sequence[bytes],
        data: Sequence[Buffer],
        attributes: Sequence[Attributes],
    ) -> int:
        """None: nothing is gained here by going to many directories at once."""
        del steps, counts, names, data, attributes
        return 0

    def apply_below(self, steps: Steps, attributes: Sequence[Attributes]) -> int:
        """None, as with files."""
        del steps, attributes
        return 0

    def _write_small(
        self, name: bytes, content: Buffer, attributes: Attributes
    ) -> tuple[int, list[str]]:
        try:
            file = self.create_file(name)
            try:
                file.write_at(content, 0)
                return 0, file.finish(attributes)
            finally:
                file.abort()
        except OSError as error:
            return error.errno or errno.EIO, []

    def read_link(self, name: bytes) -> bytes:
        """Target of a symbolic link or junction child. OSError."""
        return paths.to_bytes(paths.shown_target(os.readlink(self.path_of(name))))

    def open_existing(self, name: bytes) -> source.WindowsSourceFile:
        """Open an existing regular child for comparing. OSError."""
        return source.WindowsSourceFile.open(self.path_of(name), name)

    def make_symlink(self, name: bytes, target: bytes, attributes: Attributes) -> list[str]:
        """Create a symbolic link atomically over nothing or over what is called ``name``.

        The directory attribute in ``attributes.flags`` tells a link to a directory.
        """
        self.path_of(name, new=True)
        leads_to_directory = bool((attributes.flags or 0) & records.DIRECTORY)
        temporary = rules.temporary_name()
        path = self.path_of(temporary)
        os.symlink(paths.to_text(target), path, target_is_directory=leads_to_directory)
        try:
            losses = metadata.give(path, attributes)
            self.publish(temporary, name)
        except BaseException:
            with suppress(OSError):
                _remove(path)
            raise
        return losses

    def make_special(self, name: bytes, device: int, attributes: Attributes) -> list[str]:  # noqa: ARG002
        """There are no such files here: always OSError ENOTSUP."""
        raise system.fail(errno.ENOTSUP, name, "special files are not possible on Windows")

    def publish(self, temporary: bytes, name: bytes) -> None:
        """Rename a finished entry over its final name. OSError."""
        path = self.path_of(name, new=True)
        found = self.existing(name)
        if found is not None and stat.S_ISDIR(found.mode):
            raise system.fail(errno.EISDIR, name, "a directory is in the way")
        if found is not None and os.path.isdir(path):  # a link to one, which no rename replaces
            os.rmdir(path)
        self._writable(name, lambda: os.replace(self.path_of(temporary), path))

    def link_from(self, source: TargetDir, source_name: bytes, name: bytes) -> None:
        """Make ``name`` a hard link to ``source_name`` in another open directory. OSError."""
        origin = _ours(source).path_of(source_name)
        self.path_of(name, new=True)
        temporary = rules.temporary_name()
        os.link(origin, self.path_of(temporary), follow_symlinks=False)
        try:
            self.publish(temporary, name)
        finally:
            with suppress(OSError):
                os.unlink(self.path_of(temporary))

    def move_aside(self, name: bytes, aside: TargetDir, aside_name: bytes) -> None:
        """Rename a child into another directory of the same volume, replacing nothing."""
        os.rename(self.path_of(name), _ours(aside).path_of(aside_name, new=True))

    def remove_file(self, name: bytes) -> None:
        """Unlink a child that is not a directory. OSError."""
        path = self.path_of(name)
        if stat.S_ISDIR(source.look(path)[1].mode):
            raise system.fail(errno.EISDIR, name, "is a directory")
        self._writable(name, lambda: _remove(path))

    def apply(self, name: bytes, attributes: Attributes, *, directory: bool) -> list[str]:
        """Set metadata of an existing child (never follows it); losses in words. OSError."""
        path = self.path_of(name)
        mode = source.look(path)[1].mode
        if directory and not stat.S_ISDIR(mode):
            raise system.fail(errno.ENOTDIR, name, "not a directory")
        if not directory and stat.S_IFMT(mode) != stat.S_IFMT(attributes.mode):
            raise system.fail(errno.EINVAL, name, "is of another kind by now")
        return metadata.give(path, attributes)

    def apply_self(self, attributes: Attributes) -> list[str]:
        """Set metadata of this directory itself; losses in words. OSError."""
        self.path_of(b"x")  # open still?
        return metadata.give(self._path, attributes)

    def lift_flags(self) -> int:
        """Nothing to lift: attributes of a directory do not protect its children here."""
        return 0

    def sync(self) -> None:
        """Nothing to do: the file system keeps a journal of names, and offers no other way."""

    def sync_file_system(self) -> None:
        """Flush the volume, for which the system asks administrators only. OSError."""
        drive = os.path.splitdrive(self._path)[0]
        device = "\\\\.\\" + drive.removeprefix("\\\\?\\")
        handle = system.open_handle(device, system.GENERIC_READ | system.GENERIC_WRITE, follow=True)
        try:
            system.flush(handle)
        finally:
            system.close(handle)

    def close(self) -> None:
        """Close; safe to call twice."""
        handle, self._handle = self._handle, system.CLOSED
        if handle != system.CLOSED:
            system.close(handle)

    def _writable(self, name: bytes, action: Callable[[], None]) -> None:
        """Act on a child; if it is read-only, change that and act again."""
        try:
            action()
        except PermissionError:
            handle = system.open_handle(
                self.path_of(name), system.READ_ATTRIBUTES | system.WRITE_ATTRIBUTES
            )
            try:
                attributes = system.tag_of(handle)[0]
                if not attributes & records.READ_ONLY:
                    raise
                _, entry = source.describe(handle)
                kept = attributes & records.SETTABLE & ~records.READ_ONLY
                system.set_basic(handle, entry.mtime_ns, kept or records.NORMAL)
            finally:
                system.close(handle)
            action()


def _remove(path: str) -> None:
    """Remove a file or a link, whatever the link leads to. OSError."""
    entry_attributes = os.lstat(path).st_file_attributes
    if entry_attributes & records.DIRECTORY:
        os.rmdir(path)  # removes the link only
    else:
        os.unlink(path)


def _ours(directory: TargetDir) -> WindowsTargetDir:
    if not isinstance(directory, WindowsTargetDir):
        raise TypeError("two directories of one system are needed")
    return directory
