"""Metadata beyond the directory record: attributes and the security descriptor.

The descriptor travels as an extended attribute named ``windows.security``; other attributes mean
nothing here and are told as losses, as are numeric owners.
"""

import sys
from collections.abc import Sequence

from twofold.platform.base import Attributes, Extras
from twofold.platform.windows import records, system

assert sys.platform == "win32"

SECURITY = b"windows.security"
_NOT_PERMITTED = (
    5,
    1300,
    1307,
    1314,
)  # access denied, not all privileges, invalid owner, privilege


def extras_of_open(handle: int) -> Extras:
    """Extras of what a handle with READ_CONTROL is open on."""
    extras = Extras()
    try:
        extras.flags = system.tag_of(handle)[0] & (records.SETTABLE | records.DIRECTORY)
        extras.xattrs = [(SECURITY, system.get_security(handle))]
    except OSError as error:
        extras.problems.append(f"security descriptor could not be read: {reason(error)}")
    return extras


def reason(error: OSError) -> str:
    """Why something was refused, in words equal for equal causes."""
    if error.winerror in _NOT_PERMITTED:
        return "not permitted"
    return (error.strerror or "unknown reason").lower().rstrip(".")


def attributes_of(wanted: Attributes) -> int:
    """File attributes to set; never 0, which would leave them as they are."""
    if wanted.flags is not None:
        return wanted.flags & records.SETTABLE or records.NORMAL
    return records.NORMAL if wanted.mode & 0o200 else records.READ_ONLY


def give(path: str, wanted: Attributes) -> list[str]:
    """Give all metadata to an existing entry, links not followed; losses in words. OSError."""
    losses: list[str] = []
    if wanted.uid is not None:
        losses.append("owner could not be set: not supported here")
    if wanted.gid is not None:
        losses.append("group could not be set: not supported here")
    if wanted.xattrs:
        _give_xattrs(path, wanted.xattrs, losses)
    handle = system.open_handle(path, system.READ_ATTRIBUTES | system.WRITE_ATTRIBUTES)
    try:
        system.set_basic(handle, wanted.mtime_ns, attributes_of(wanted))
    except OverflowError:
        losses.append("modification time is beyond what this system holds")
    finally:
        system.close(handle)
    return losses


def _give_xattrs(path: str, xattrs: Sequence[tuple[bytes, bytes]], losses: list[str]) -> None:
    for name, value in xattrs:
        if name == SECURITY:
            _give_security(path, value, losses)
        else:
            shown = ascii(name.decode("utf-8", "backslashreplace"))[1:-1]
            losses.append(f"extended attribute {shown} could not be set: not supported here")


def _give_security(path: str, descriptor: bytes, losses: list[str]) -> None:
    """All of it if we may, else at least who may do what."""
    owner = system.OWNER | system.GROUP
    if not _set_parts(path, system.WRITE_DAC | system.WRITE_OWNER, owner | system.DACL, descriptor):
        return
    why = _set_parts(path, system.WRITE_DAC, system.DACL, descriptor)
    losses.append("owner could not be set: not permitted")
    if why:
        losses.append(f"access control list could not be set: {why}")


def _set_parts(path: str, access: int, parts: int, descriptor: bytes) -> str:
    """Empty when it worked, else the reason why not."""
    try:
        handle = system.open_handle(path, access)
        try:
            system.set_security(handle, parts, descriptor)
        finally:
            system.close(handle)
    except OSError as error:
        return reason(error)
    return ""
