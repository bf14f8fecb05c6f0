"""Metadata beyond the directory record: read from the source, given to what is restored.

A *subject* is what to act on without any name: a descriptor, or for symbolic links and special
files, which must not be opened, the /proc path of a descriptor that only pins them.

The order of giving matters: owner, attributes of the user (its owner may not add them to a file he
may not write), mode (a change of owner clears set-user-id), other extended attributes (a change of
owner removes capabilities), times, and flags after the final rename (an
immutable file cannot be renamed). What cannot be given is told in words that are equal for equal
causes. Rights are never given more widely than they were: set-user-id, set-group-id and file
capabilities only with their owner, the group bits behind an access control list only with the list.
"""

import errno
import os
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress

from twofold.clock import now_ns
from twofold.platform.base import Attributes, Extras
from twofold.platform.linux import flags as inode_flags
from twofold.platform.linux import reasons, system

assert sys.platform == "linux"

Subject = int | bytes

_ACCESS_ACL = b"system.posix_acl_access"
_DEFAULT_ACL = b"system.posix_acl_default"
_CAPABILITY = b"security.capability"
_ACL_GROUP, _ACL_MASK = 0x04, 0x10

_MAX_ID = 0xFFFF_FFFE  # one more means "leave unchanged" to the system
_SAFE_TIMES = range(315_532_800 * 10**9, 2**31 * 10**9)  # 1980 to 2038: any file system holds them


def extras_of_open(fd: int) -> Extras | None:
    """Extras of an open regular file or directory; None when it has none."""
    problems: list[str] = []
    xattrs = _read_xattrs(fd, problems)
    flags = inode_flags.kept_flags(fd)
    if xattrs or flags or problems:
        return Extras(xattrs=xattrs, flags=flags, problems=problems)
    return None


def extras_of_parts(
    xattrs: list[tuple[bytes, bytes]], flags: int, failures: list[tuple[bytes, int]]
) -> Extras:
    """Extras of what the C extension read, in any order; failures are (name, errno).

    An empty name stands for the list of names.
    """
    problems = [_unread(name, OSError(number, "")) for name, number in sorted(failures)]
    return Extras(xattrs=sorted(xattrs), flags=flags, problems=problems)


def extras_unopened(dir_fd: int, name: bytes, mode: int) -> Extras:
    """Extras of a symbolic link or special file, or what can be had of a directory. OSError."""
    extras = Extras()
    if stat.S_ISLNK(mode):
        extras.target = os.readlink(name, dir_fd=dir_fd)
    elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        extras.device = os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_rdev
    extras.xattrs = _read_xattrs(system.child_path(dir_fd, name), extras.problems)
    return extras


def _read_xattrs(subject: Subject, problems: list[str]) -> list[tuple[bytes, bytes]]:
    follow = isinstance(subject, int)
    try:
        names = os.listxattr(subject, follow_symlinks=follow)
    except OSError as error:
        if error.errno == errno.EBADF:
            raise
        if error.errno not in (errno.ENOTSUP, errno.ENOSYS):
            problems.append(_unread(b"", error))
        return []
    if not names:
        return []
    found = []
    for name in sorted(map(os.fsencode, names)):
        try:
            found.append((name, os.getxattr(subject, name, follow_symlinks=follow)))
        except OSError as error:
            if error.errno != errno.ENODATA:  # which means: removed meanwhile
                problems.append(_unread(name, error))
    return found


def _unread(name: bytes, error: OSError) -> str:
    """What could not be read, in words: one attribute, or without a name the list of them."""
    words = xattr_words(name) if name else "extended attributes"
    return f"{words} could not be read: {reasons.reason(error)}"


def xattr_words(name: bytes) -> str:
    """What an extended attribute is called in front of people, safe to print."""
    known = {
        _ACCESS_ACL: "access control list",
        _DEFAULT_ACL: "default access control list",
        _CAPABILITY: "file capabilities",
        b"security.selinux": "security label",
    }
    shown = name.decode("utf-8", "backslashreplace")
    if not shown.isprintable():
        shown = ascii(shown)[1:-1]
    return known.get(name) or f"extended attribute {shown}"


def gives_inheritance(directory: Subject) -> bool:
    """Whether new children of a directory get an access control list from it."""
    try:
        return bool(os.getxattr(directory, _DEFAULT_ACL))
    except OSError:
        return False


def give(subject: Subject, attributes: Attributes, *, pristine: bool = False) -> list[str]:
    """Give everything but flags; losses in words. OSError for real trouble.

    ``pristine`` says that the subject is new and has inherited nothing.
    """
    losses: list[str] = []
    xattrs = attributes.xattrs
    if xattrs is not None and not pristine:
        _drop_unlisted(subject, {name for name, _ in xattrs}, losses)
    owned, grouped = _give_owner(subject, attributes, losses)
    given = _give_writable(subject, xattrs or ())
    _give_mode(subject, attributes, owned, grouped, losses)
    _give_xattrs(subject, [pair for pair in xattrs or () if pair[0] not in given], owned, losses)
    _give_time(subject, attributes.mtime_ns, losses)
    return losses


def _drop_unlisted(subject: Subject, wanted: set[bytes], losses: list[str]) -> None:
    """Remove attributes that would not be there had the entry been made by its first owner.

    Those of other name spaces are given by the system (labels) or by programs of this machine.
    """
    try:
        present = map(os.fsencode, os.listxattr(subject))
    except OSError as error:
        if not reasons.tolerable(error):
            raise
        return  # none here
    for name in present:
        if name in wanted or not (name.startswith(b"user.") or b".posix_acl_" in name):
            continue
        try:
            os.removexattr(subject, name)
        except OSError as error:
            if not reasons.tolerable(error):
                raise
            losses.append(f"{xattr_words(name)} could not be removed: {reasons.reason(error)}")


def _give_owner(subject: Subject, wanted: Attributes, losses: list[str]) -> tuple[bool, bool]:
    """Whether the user, and the group, are now those wanted."""
    uid, gid = _possible(wanted.uid), _possible(wanted.gid)
    if uid == wanted.uid and gid == wanted.gid and _chown(subject, uid, gid) == "":
        return uid is not None, gid is not None
    group_fault = _chown(subject, None, gid) if gid == wanted.gid else "not possible here"
    owner_fault = _chown(subject, uid, None) if uid == wanted.uid else "not possible here"
    if owner_fault:
        losses.append(f"owner could not be set: {owner_fault}")
    if group_fault:
        losses.append(f"group could not be set: {group_fault}")
    return uid is not None and not owner_fault, gid is not None and not group_fault


def _possible(number: int | None) -> int | None:
    return None if number is None or not 0 <= number <= _MAX_ID else number


def _chown(subject: Subject, uid: int | None, gid: int | None) -> str:
    """Empty when it worked or nothing was asked for, else the reason why not."""
    if uid is None and gid is None:
        return ""
    try:
        os.chown(subject, -1 if uid is None else uid, -1 if gid is None else gid)
    except OSError as error:
        if not reasons.tolerable(error):
            raise
        return reasons.reason(error)
    return ""


def _give_mode(
    subject: Subject, wanted: Attributes, owned: bool, grouped: bool, losses: list[str]
) -> None:
    if stat.S_ISLNK(wanted.mode):
        return  # has none of its own
    mode = stat.S_IMODE(wanted.mode)
    if mode & stat.S_ISUID and not owned:
        mode &= ~stat.S_ISUID
        losses.append("set-user-id bit left out: the owner was not set")
    if mode & stat.S_ISGID and not grouped and not stat.S_ISDIR(wanted.mode):
        mode &= ~stat.S_ISGID
        losses.append("set-group-id bit left out: the group was not set")
    for name, value in wanted.xattrs or ():
        if name == _ACCESS_ACL:
            mode = _without_acl(mode, value)  # setting the list later gives the rest
    try:
        os.chmod(subject, mode)
        if mode & (stat.S_ISUID | stat.S_ISGID) and os.stat(subject).st_mode & 0o7777 != mode:
            losses.append("permissions could not be set: special bits refused")
    except OSError as error:
        if not reasons.tolerable(error):
            raise
        losses.append(f"permissions could not be set: {reasons.reason(error)}")


def _without_acl(mode: int, acl: bytes) -> int:
    """The mode without what the group bits of ``mode`` only mean as mask of the list."""
    mask, group = 0o7, 0
    for at in range(4, len(acl) - 7, 8):
        tag = int.from_bytes(acl[at : at + 2], "little")
        rights = int.from_bytes(acl[at + 2 : at + 4], "little") & 0o7
        if tag == _ACL_GROUP:
            group = rights
        elif tag == _ACL_MASK:
            mask = rights
    return mode & ~0o070 | (group & mask) << 3


def _give_writable(subject: Subject, xattrs: Sequence[tuple[bytes, bytes]]) -> set[bytes]:
    """Give what only a writable file takes, before its mode may forbid writing; names given."""
    given = set()
    for name, value in xattrs:
        if name.startswith(b"user."):
            with suppress(OSError, ValueError):  # tried again, and told, once it has its mode
                os.setxattr(subject, name, value)
                given.add(name)
    return given


def _give_xattrs(
    subject: Subject, xattrs: Sequence[tuple[bytes, bytes]], owned: bool, losses: list[str]
) -> None:
    for name, value in xattrs:
        if name == _CAPABILITY and not owned:
            losses.append("file capabilities left out: the owner was not set")
            continue
        try:
            os.setxattr(subject, name, value)
        except OSError as error:
            if not reasons.tolerable(error):
                raise
            losses.append(f"{xattr_words(name)} could not be set: {reasons.reason(error)}")
        except ValueError:  # a zero byte in the name
            losses.append(f"{xattr_words(name)} could not be set: not possible here")


def _give_time(subject: Subject, mtime_ns: int, losses: list[str]) -> None:
    try:
        os.utime(subject, ns=(now_ns(), mtime_ns))
        if mtime_ns in _SAFE_TIMES or os.stat(subject).st_mtime_ns == mtime_ns:
            return
        losses.append("modification time is beyond what this file system holds")
    except OverflowError:
        losses.append("modification time is beyond what this system holds")
    except OSError as error:
        if not reasons.tolerable(error):
            raise
        losses.append(f"modification time could not be set: {reasons.reason(error)}")
