"""Paths as Windows takes them without limits: absolute, with backslashes, after ``\\\\?\\``.

In such a path nothing is interpreted: no ``.`` or ``..``, slash, device name, trailing dot. Pure.
"""

import errno
import ntpath

_VERBATIM = "\\\\?\\"
_UNC = _VERBATIM + "UNC\\"
_SHARE = 5  # backslashes in \\?\UNC\server\share
_SEPARATORS = (b"/", b"\\", b":", b"\0")


def to_text(name: bytes) -> str:
    """A name as the system's calls take it; any sequence of UTF-16 units survives."""
    return name.decode("utf-8", "surrogatepass")


def to_bytes(name: str) -> bytes:
    """A name as Twofold stores it."""
    return name.encode("utf-8", "surrogatepass")


def verbatim(absolute: str) -> str:
    """The ``\\\\?\\`` form of an absolute path."""
    if absolute.startswith(_VERBATIM):
        return absolute
    plain = ntpath.normpath(absolute)
    if plain.startswith("\\\\"):
        return _UNC + plain[2:]
    return _VERBATIM + plain


def child(folder: str, name: bytes) -> str:
    """The path of a child. OSError EINVAL unless ``name`` is a single component."""
    if name in (b"", b".", b"..") or any(mark in name for mark in _SEPARATORS):
        raise OSError(errno.EINVAL, "not a single name", name)
    try:
        text = to_text(name)
    except UnicodeDecodeError:
        raise OSError(errno.EINVAL, "not a name on Windows", name) from None
    return folder.rstrip("\\") + "\\" + text


def parent(folder: str) -> str:
    """The path one up; that of a drive or share is itself."""
    above = folder.rstrip("\\").rpartition("\\")[0]
    if above.endswith(":"):
        return above + "\\"  # without it the drive itself would be meant
    top = above + "\\" == _VERBATIM or (above.startswith(_UNC) and above.count("\\") < _SHARE)
    return folder if top else above


def shown_target(raw: str) -> str:
    """The target of a link without the prefix that reading it adds."""
    if raw.startswith(_UNC):
        return "\\\\" + raw[len(_UNC) :]
    return raw.removeprefix(_VERBATIM)
