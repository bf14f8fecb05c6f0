"""The target side: everything is written below open directories, and never through a link.

A new entry begins under a temporary name in its final directory, is finished there and renamed
over its final name, so no reader ever sees half of it and an existing symbolic link is replaced,
not followed. Where an immutable or append-only flag of the old entry forbids that, the flag is
cleared first.
"""

import errno
import os
import stat
import sys
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from types import ModuleType

from twofold.clock import now_ns
from twofold.native import EXTENSION
from twofold.platform.base import Attributes, Buffer, Dropped, Entry, Steps, TargetDir
from twofold.platform.linux import drops, metadata, mounts, source, system, target_file
from twofold.platform.linux import flags as inode_flags
from twofold.platform.names import check_name, temporary_name

assert sys.platform == "linux"

_UNUSUAL = 8
"""After so many unusual files the rest of a batch is taken to be unusual too."""

_RANDOM = 8  # bytes in a temporary name
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SPECIAL = frozenset([stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK])


def make_path(path: bytes) -> None:
    """Make a directory (0700) with its missing parents; links in the path are followed. OSError."""
    missing = []
    while True:
        try:
            os.mkdir(path, 0o700)
            break
        except FileExistsError:
            break  # opening it will tell whether it is a directory
        except FileNotFoundError:
            parent, name = os.path.split(path.rstrip(b"/"))
            if not parent:
                raise
            missing.append(name)
            path = parent
    while missing:
        path = os.path.join(path, missing.pop())
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)


class LinuxTargetDir:
    """An open directory of the restore target."""

    def __init__(self, fd: int, table: mounts.Mounts, *, listed: bool = True) -> None:
        self.fd = fd  # for the modules of this package
        self.listed = listed
        self._mounts = table
        self._pristine: bool | None = None  # whether new children inherit nothing, once known
        status = os.fstat(fd)
        self._identity = status.st_dev, status.st_ino

    @classmethod
    def open(cls, path: bytes, *, create: bool) -> "LinuxTargetDir":
        """Open (or make) the root of a target by path, following links. OSError."""
        try:
            return cls(system.open_path(path), mounts.Mounts())
        except FileNotFoundError:
            if not create:
                raise
        make_path(path)
        return cls(system.open_path(path), mounts.Mounts())

    @property
    def device(self) -> int:
        """Device number; changes where another file system begins."""
        return self._identity[0]

    @property
    def identity(self) -> tuple[int, int]:
        """(device, inode) as they were when the directory was opened."""
        return self._identity

    @property
    def fs_type(self) -> str:
        """File system name as the system calls it."""
        return self._mounts.fs_type(self.fd, self._identity[0])

    def dropped(self) -> Dropped:
        """What the file system here would drop in silence; nothing where that cannot be tried."""
        try:
            return drops.dropped_in(system.live(self.fd), temporary_name())
        except OSError:
            return Dropped()  # whoever writes here is told why

    def existing(self, name: bytes) -> Entry | None:
        """lstat of a child, None if there is none."""
        check_name(name)
        try:
            return source.entry_of(os.stat(name, dir_fd=self.fd, follow_symlinks=False), name)
        except FileNotFoundError:
            return None

    def names(self) -> list[bytes]:
        """All children. OSError."""
        if not self.listed:
            raise system.fail(errno.EACCES, b".")
        return [os.fsencode(name) for name in os.listdir(system.live(self.fd))]

    def open_dir(self, name: bytes) -> "LinuxTargetDir":
        """Open a child directory, if only to pass; refuses symbolic links. OSError."""
        check_name(name)
        return self._open(name)

    def open_parent(self) -> "LinuxTargetDir":
        """Open ``..``; compare its ``identity``. OSError."""
        return self._open(b"..")

    def _open(self, name: bytes) -> "LinuxTargetDir":
        fd, listed = system.open_to_pass(name, self.fd)
        return LinuxTargetDir(fd, self._mounts, listed=listed)

    def make_dir(self, name: bytes, *, flags: int = 0) -> "LinuxTargetDir":
        """Create (0700) and open a child directory. OSError."""
        check_name(name)
        os.mkdir(name, 0o700, dir_fd=self.fd)
        fd = system.open_directory(name, self.fd)
        inode_flags.set_early_flags(fd, flags)
        return LinuxTargetDir(fd, self._mounts)

    def create_file(self, name: bytes, *, flags: int = 0) -> target_file.LinuxTargetFile:
        """Begin a new file that will be called ``name``. OSError."""
        check_name(name)
        return target_file.LinuxTargetFile(self, name, flags)

    def write_batch(
        self,
        names: Sequence[bytes],
        data: Sequence[Buffer],
        attributes: Sequence[Attributes],
    ) -> list[tuple[int, list[str]]]:
        """Create small files whole (temp, write, metadata, rename); per file (errno, losses)."""
        results: list[tuple[int, list[str]]] = []
        if EXTENSION is not None:
            results = self._write_usual(EXTENSION, names, data, attributes)
        at = len(results)
        for name, content, wanted in zip(names[at:], data[at:], attributes[at:], strict=True):
            results.append(self._write_small(name, content, wanted))
        return results

    def _write_usual(
        self,
        extension: ModuleType,
        names: Sequence[bytes],
        data: Sequence[Buffer],
        attributes: Sequence[Attributes],
    ) -> list[tuple[int, list[str]]]:
        """Results from the first on, as far as the files are usual ones but for a few."""
        results: list[tuple[int, list[str]]] = []
        for _ in range(_UNUSUAL):
            if not self.pristine():
                break
            start = len(results)
            random = os.urandom(_RANDOM * (len(names) - start))
            batch = (self.fd, names, data, attributes, start, random, now_ns())
            done = extension.write_batch(*batch, inode_flags.KEPT)
            results += [(0, []) for _ in range(start, done)]
            if done == len(names):
                break
            results.append(self._write_small(names[done], data[done], attributes[done]))
        return results

    def write_below(
        self,
        steps: Steps,
        counts: Sequence[int],
        names: Sequence[bytes],
        data: Sequence[Buffer],
        attributes: Sequence[Attributes],
    ) -> int:
        """Files that the extension wrote in directories below; none without it. OSError EBADF."""
        if EXTENSION is None:
            return 0
        lists = tuple(names), tuple(data), tuple(attributes)
        random = os.urandom(_RANDOM * len(names))
        shared = (random, now_ns(), inode_flags.KEPT)
        places = (*steps, array("I", counts))
        done: int = EXTENSION.write_below(system.live(self.fd), *places, *lists, *shared)
        return done

    def apply_below(self, steps: Steps, attributes: Sequence[Attributes]) -> int:
        """Directories below to which the extension gave theirs; none without it. OSError EBADF."""
        if EXTENSION is None:
            return 0
        done: int = EXTENSION.apply_below(
            system.live(self.fd), *steps, tuple(attributes), now_ns(), inode_flags.GUARDS
        )
        return done

    def _write_small(
        self, name: bytes, content: Buffer, attributes: Attributes
    ) -> tuple[int, list[str]]:
        try:
            file = self.create_file(name, flags=attributes.flags or 0)
            try:
                file.write_at(content, 0)
                return 0, file.finish(attributes)
            finally:
                file.abort()
        except OSError as error:
            return error.errno or errno.EIO, []

    def read_link(self, name: bytes) -> bytes:
        """Target of a symbolic link child. OSError."""
        check_name(name)
        return os.readlink(name, dir_fd=self.fd)

    def open_existing(self, name: bytes) -> source.LinuxSourceFile:
        """Open an existing regular child for comparing. OSError."""
        return source.LinuxSourceFile.open(name, self.fd)

    def make_symlink(self, name: bytes, target: bytes, attributes: Attributes) -> list[str]:
        """Create a symbolic link atomically over nothing or over what is called ``name``."""
        if b"\0" in target:
            raise system.fail(errno.EINVAL, name, "a link cannot lead to a name with a zero byte")
        return self._make(
            name, lambda temporary: os.symlink(target, temporary, dir_fd=self.fd), attributes
        )

    def make_special(self, name: bytes, device: int, attributes: Attributes) -> list[str]:
        """Create a FIFO, socket or device node by the file type in ``attributes.mode``."""
        kind = stat.S_IFMT(attributes.mode)
        if kind not in _SPECIAL:
            raise system.fail(errno.EINVAL, name, "not a special file")
        return self._make(
            name,
            lambda temporary: os.mknod(temporary, kind | 0o600, device, dir_fd=self.fd),
            attributes,
        )

    def _make(
        self, name: bytes, maker: Callable[[bytes], None], attributes: Attributes
    ) -> list[str]:
        """Make an entry that is never opened under a temporary name, and rename it."""
        check_name(name)
        temporary = temporary_name()
        maker(temporary)
        try:
            losses = self._give_pinned(temporary, attributes, links=1)
            self.publish(temporary, name)
        except BaseException:
            self.discard(temporary)
            raise
        return losses

    def publish(self, temporary: bytes, name: bytes) -> None:
        """Rename a finished entry over its final name. OSError."""
        self.unguarded(
            name,
            lambda: os.rename(temporary, name, src_dir_fd=self.fd, dst_dir_fd=self.fd),
        )

    def create_temporary(self, temporary: bytes) -> int:
        """A descriptor of a new file. OSError."""
        return os.open(temporary, _NEW, 0o600, dir_fd=self.fd)

    def discard(self, temporary: bytes) -> None:
        """Remove a temporary entry if it is there."""
        with suppress(OSError):
            os.unlink(temporary, dir_fd=self.fd)

    def link_from(self, source: TargetDir, source_name: bytes, name: bytes) -> None:
        """Make ``name`` a hard link to ``source_name`` in another open directory. OSError."""
        check_name(source_name)
        check_name(name)
        origin = _ours(source)
        with suppress(FileExistsError):  # a link is there whole or not at all
            origin.add_flags(source_name, self._link(origin, source_name, name))
            return
        temporary = temporary_name()
        lifted = self._link(origin, source_name, temporary)
        try:
            self.publish(temporary, name)
        finally:
            self.discard(temporary)  # stays behind if both were links to one file already
            origin.add_flags(source_name, lifted)

    def _link(self, origin: "LinuxTargetDir", source_name: bytes, name: bytes) -> int:
        """Link over nothing; flags of the file that were cleared for it. OSError."""
        link = partial(os.link, source_name, name, follow_symlinks=False)
        return origin.unguarded(source_name, lambda: link(src_dir_fd=origin.fd, dst_dir_fd=self.fd))

    def move_aside(self, name: bytes, aside: TargetDir, aside_name: bytes) -> None:
        """Rename a child into another directory of the same file system, replacing nothing."""
        check_name(name)
        check_name(aside_name)
        there = _ours(aside)
        lifted = self.unguarded(
            name, lambda: system.rename_new(name, self.fd, aside_name, there.fd)
        )
        there.add_flags(aside_name, lifted)

    def remove_file(self, name: bytes) -> None:
        """Unlink a child that is not a directory. OSError."""
        check_name(name)
        self.unguarded(name, lambda: os.unlink(name, dir_fd=self.fd))

    def apply(self, name: bytes, attributes: Attributes, *, directory: bool) -> list[str]:
        """Set metadata of an existing child (never follows it); losses in words. OSError."""
        check_name(name)
        if not directory and not stat.S_ISREG(attributes.mode):
            return self._give_pinned(name, attributes)
        try:
            fd = (
                system.open_directory(name, self.fd)
                if directory
                else system.open_regular(name, self.fd)
            )
        except PermissionError:  # our own, but with a mode that forbids us to open it
            losses = ["flags could not be set: not permitted"] if attributes.flags else []
            return self._give_pinned(name, attributes) + losses
        try:
            _check_kind(fd, name, stat.S_IFDIR if directory else stat.S_IFREG)
            return _give_open(fd, attributes)
        finally:
            os.close(fd)

    def apply_self(self, attributes: Attributes) -> list[str]:
        """Set metadata of this directory itself; losses in words. OSError."""
        self._pristine = None
        if not self.listed:
            return metadata.give(self._subject, attributes)
        return _give_open(self.fd, attributes)

    def lift_flags(self) -> int:
        """Clear flags that forbid changing the children; returns those cleared. OSError."""
        return inode_flags.lift_guards(system.live(self.fd))

    def pristine(self) -> bool:
        """Whether new children inherit no access control list from here."""
        if self._pristine is None:
            self._pristine = not metadata.gives_inheritance(self._subject)
        return self._pristine

    @property
    def _subject(self) -> metadata.Subject:
        """What metadata is read from and given to."""
        return self.fd if self.listed else system.descriptor_path(system.live(self.fd))

    def sync(self) -> None:
        """Make names in this directory durable. OSError."""
        os.fsync(system.live(self.fd))

    def sync_file_system(self) -> None:
        """Make everything written so far to this file system durable. OSError."""
        if not self.listed:
            os.sync()  # all file systems, for this one cannot be named
            return
        system.sync_file_system(system.live(self.fd))

    def close(self) -> None:
        """Close; safe to call twice."""
        fd, self.fd = self.fd, system.CLOSED
        if fd != system.CLOSED:
            os.close(fd)

    def _give_pinned(self, name: bytes, attributes: Attributes, links: int = 0) -> list[str]:
        """Metadata for a child that is not to be opened, as a symbolic link or special file.

        With ``links`` it must have that many: somebody else's file linked over what we have just
        made would otherwise get our owner.
        """
        fd = system.pin(name, self.fd)
        try:
            status = _check_kind(fd, name, stat.S_IFMT(attributes.mode))
            if links and status.st_nlink != links:
                raise system.fail(errno.EINVAL, name, "is another one by now")
            bare = stat.S_ISLNK(attributes.mode)  # no list and nothing of a user's is ever on one
            return metadata.give(system.descriptor_path(fd), attributes, pristine=bare)
        finally:
            os.close(fd)

    def unguarded(self, name: bytes, action: Callable[[], None]) -> int:
        """Act on a child; if its own flags forbid it, clear them first. Returns those cleared."""
        try:
            action()
            return 0
        except PermissionError as error:
            lifted = self._lift_child(name) if error.errno == errno.EPERM else 0
            if not lifted:
                raise
        try:
            action()
        except OSError:
            self.add_flags(name, lifted)
            raise
        return lifted

    def _lift_child(self, name: bytes) -> int:
        try:
            fd = system.open_regular(name, self.fd)
        except OSError:
            return 0
        try:
            openable = stat.S_IFMT(os.fstat(fd).st_mode) in (stat.S_IFREG, stat.S_IFDIR)
            return inode_flags.lift_guards(fd) if openable else 0
        except OSError:
            return 0
        finally:
            os.close(fd)

    def add_flags(self, name: bytes, lifted: int) -> None:
        """Give cleared flags back. OSError."""
        if not lifted:
            return
        fd = system.open_regular(name, self.fd)
        try:
            inode_flags.give_flags(fd, inode_flags.kept_flags(fd) | lifted)
        finally:
            os.close(fd)


def _ours(directory: TargetDir) -> LinuxTargetDir:
    if not isinstance(directory, LinuxTargetDir):
        raise TypeError("two directories of one system are needed")
    return directory


def _check_kind(fd: int, name: bytes, kind: int) -> os.stat_result:
    status = os.fstat(fd)
    if stat.S_IFMT(status.st_mode) != kind:
        raise system.fail(errno.EINVAL, name, "is of another kind by now")
    return status


def _give_open(fd: int, attributes: Attributes) -> list[str]:
    """All metadata for an existing open file or directory, guarding flags off meanwhile."""
    try:
        lifted = inode_flags.lift_guards(fd)
    except PermissionError:
        lifted = 0  # what cannot be set because of that is told one by one
    losses = metadata.give(fd, attributes)
    wanted = attributes.flags
    if wanted is None and lifted:
        wanted = inode_flags.kept_flags(fd) | lifted
    return losses if wanted is None else losses + inode_flags.give_flags(fd, wanted)
