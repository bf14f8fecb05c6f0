"""Volumes of this machine and the disks they lie on. Not run on Windows yet.

A volume has a name that never changes (``\\\\?\\Volume{...}\\``), any number of places where it is
seen, and extents on disks. Without its last backslash the name opens the volume itself instead of
its root directory.
"""

import ctypes
import sys
from collections.abc import Iterator
from ctypes import wintypes
from typing import NamedTuple

from twofold.platform.windows import storage, system

assert sys.platform == "win32"

_READ_ONLY_VOLUME = 0x0008_0000
_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel.FindFirstVolumeW.restype = wintypes.HANDLE
_kernel.FindFirstVolumeW.argtypes = [wintypes.LPWSTR, wintypes.DWORD]
_kernel.FindNextVolumeW.argtypes = [wintypes.HANDLE, wintypes.LPWSTR, wintypes.DWORD]
_kernel.FindVolumeClose.argtypes = [wintypes.HANDLE]
_INVALID = ctypes.c_void_p(-1).value


class Volume(NamedTuple):
    """A volume."""

    device: str
    """Its name without the last backslash, which opens the volume itself."""
    points: tuple[str, ...]
    extents: list[storage.Placed]
    fs_type: str
    writable: bool


def volumes() -> list[Volume]:
    """All volumes, those without a letter among them."""
    return [_look(name) for name in _names()]


def _names() -> Iterator[str]:
    name = ctypes.create_unicode_buffer(256)
    handle = _kernel.FindFirstVolumeW(name, len(name))
    if handle is None or handle == _INVALID:
        return
    try:
        yield name.value
        while _kernel.FindNextVolumeW(handle, name, len(name)):
            yield name.value
    finally:
        _kernel.FindVolumeClose(handle)


def _look(name: str) -> Volume:
    kind = ctypes.create_unicode_buffer(64)
    flags = wintypes.DWORD()
    words = (name, None, 0, None, None, ctypes.byref(flags), kind, len(kind))
    known = _kernel.GetVolumeInformationW(*words)
    device = name.rstrip("\\")
    writable = bool(known) and not flags.value & _READ_ONLY_VOLUME
    return Volume(device, _points(name), extents(device), kind.value, writable)


def _points(name: str) -> tuple[str, ...]:
    """Letters and folders where a volume is seen: strings end with a zero, the list with two."""
    buffer = ctypes.create_unicode_buffer(4096)
    need = wintypes.DWORD()
    words = (name, buffer, len(buffer), ctypes.byref(need))
    if not _kernel.GetVolumePathNamesForVolumeNameW(*words):
        return ()
    return tuple(filter(None, "".join(buffer[: need.value]).split("\0")))


def extents(device: str) -> list[storage.Placed]:
    """Where a volume lies; empty for what is on no disk."""
    try:
        handle = system.open_handle(device, 0, follow=True)
    except OSError:
        return []
    try:
        return storage.parse_extents(system.control(handle, storage.GET_EXTENTS, b"", 8192))
    except OSError:
        return []
    finally:
        system.close(handle)
