"""Rules for names: what a single path component may be, and what our temporary names look like.

Names in a snapshot were written by whoever held the password, perhaps long ago on another system,
so every name is checked before it reaches a system call.
"""

import errno
import os

TEMP_PREFIX = b".twofold-"
TEMP_SUFFIX = b".part"
_TEMP_RANDOM = 16  # hexadecimal digits

_NOT_A_NAME = (b"", b".", b"..")
_FORBIDDEN_ON_WINDOWS = frozenset(b'<>:"/\\|?*') | frozenset(range(32))
_DIGITS = [b"%d" % digit for digit in range(10)] + [mark.encode() for mark in "¹²³"]
_DEVICES_OF_WINDOWS = frozenset(
    [b"CON", b"PRN", b"AUX", b"NUL", b"CONIN$", b"CONOUT$"]
    + [stem + digit for stem in (b"COM", b"LPT") for digit in _DIGITS]
)


def is_single_name(name: bytes) -> bool:
    """Whether ``name`` is one component on a POSIX system."""
    return not (name in _NOT_A_NAME or b"/" in name or b"\0" in name)


def check_name(name: bytes) -> None:
    """Raise OSError EINVAL unless ``name`` is one component on a POSIX system."""
    if not is_single_name(name):
        raise OSError(errno.EINVAL, "not a single name", name)


def check_windows_name(name: bytes) -> None:
    """Raise OSError EINVAL unless ``name`` (UTF-8) is one component everybody on Windows can use.

    Colons would name alternate streams; device names, trailing dots and trailing spaces can be
    made through long paths, but then no ordinary program could open or delete the result.
    """
    if name in _NOT_A_NAME or not _FORBIDDEN_ON_WINDOWS.isdisjoint(name):
        raise OSError(errno.EINVAL, "not a single name on Windows", name)
    if name.endswith((b".", b" ")):
        raise OSError(errno.EINVAL, "ends with a dot or space, which Windows drops", name)
    if name.split(b".", 1)[0].rstrip(b" ").upper() in _DEVICES_OF_WINDOWS:
        raise OSError(errno.EINVAL, "names a device on Windows", name)


def temporary_name() -> bytes:
    """A new name for an unfinished entry, recognisable by ``is_temporary``."""
    return TEMP_PREFIX + os.urandom(_TEMP_RANDOM // 2).hex().encode() + TEMP_SUFFIX


def is_temporary(name: bytes) -> bool:
    """Whether ``name`` is one of ours: left over from a restore that was killed."""
    if not (name.startswith(TEMP_PREFIX) and name.endswith(TEMP_SUFFIX)):
        return False
    middle = name[len(TEMP_PREFIX) : -len(TEMP_SUFFIX)]
    return len(middle) == _TEMP_RANDOM and all(digit in b"0123456789abcdef" for digit in middle)
