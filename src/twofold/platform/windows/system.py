"""The calls of kernel32 and advapi32 that Python does not offer, with OSError instead of codes.

Handles are plain integers. Every opening here leaves links unfollowed unless it says otherwise.
"""

import ctypes
import errno
import sys
from collections.abc import Callable
from ctypes import wintypes

from twofold.platform.windows import records

assert sys.platform == "win32"

GENERIC_READ, GENERIC_WRITE = 0x8000_0000, 0x4000_0000
LIST_DIRECTORY, READ_ATTRIBUTES, WRITE_ATTRIBUTES = 0x1, 0x80, 0x100
READ_CONTROL, WRITE_DAC, WRITE_OWNER = 0x2_0000, 0x4_0000, 0x8_0000
SHARE_READ, SHARE_WRITE, SHARE_DELETE = 1, 2, 4
SHARE_ALL = SHARE_READ | SHARE_WRITE | SHARE_DELETE

OWNER, GROUP, DACL = 1, 2, 4
"""Parts of a security descriptor."""

CLOSED = 0
"""What a closed handle holds; no call takes it for anything."""

_OPEN_EXISTING = 3
_BACKUP_SEMANTICS, _OPEN_REPARSE_POINT = 0x0200_0000, 0x0020_0000
_INVALID = ctypes.c_void_p(-1).value

_BASIC_INFO, _END_OF_FILE_INFO, _ATTRIBUTE_TAG_INFO = 0, 6, 9
_LIST_ON, _LIST_FROM_START = 10, 11
_QUERY_ALLOCATED_RANGES, _SET_SPARSE = 0x0009_40CF, 0x0009_00C4
_NO_MORE_FILES, _HANDLE_EOF, _MORE_DATA, _INSUFFICIENT_BUFFER = 18, 38, 234, 122
_LIST_UNSUPPORTED = (1, 50, 87, 124)  # by some servers

_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_advapi = ctypes.WinDLL("advapi32", use_last_error=True)

_kernel.CreateFileW.restype = wintypes.HANDLE
_kernel.CreateFileW.argtypes = [
    wintypes.LPCWSTR,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.LPVOID,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.HANDLE,
]
_kernel.CloseHandle.argtypes = [wintypes.HANDLE]
_kernel.GetFileInformationByHandle.argtypes = [wintypes.HANDLE, wintypes.LPVOID]
_kernel.GetFileInformationByHandleEx.argtypes = [
    wintypes.HANDLE,
    ctypes.c_int,
    wintypes.LPVOID,
    wintypes.DWORD,
]
_kernel.SetFileInformationByHandle.argtypes = _kernel.GetFileInformationByHandleEx.argtypes
_kernel.FlushFileBuffers.argtypes = [wintypes.HANDLE]
_kernel.DeviceIoControl.argtypes = [
    wintypes.HANDLE,
    wintypes.DWORD,
    wintypes.LPVOID,
    wintypes.DWORD,
    wintypes.LPVOID,
    wintypes.DWORD,
    wintypes.LPDWORD,
    wintypes.LPVOID,
]
_advapi.GetKernelObjectSecurity.argtypes = [
    wintypes.HANDLE,
    wintypes.DWORD,
    wintypes.LPVOID,
    wintypes.DWORD,
    wintypes.LPDWORD,
]
_advapi.SetKernelObjectSecurity.argtypes = [wintypes.HANDLE, wintypes.DWORD, wintypes.LPVOID]


def fail(number: int, name: bytes | str, words: str) -> OSError:
    """The OSError for an errno, to be raised by the caller."""
    return OSError(number, words, name)


def _last(path: str = "") -> OSError:
    """The OSError for what just failed."""
    error = ctypes.WinError(ctypes.get_last_error())
    if path:
        error.filename = path
    return error


def open_handle(path: str, access: int, share: int = SHARE_ALL, *, follow: bool = False) -> int:
    """A handle of a file or directory that exists. OSError."""
    flags = _BACKUP_SEMANTICS if follow else _BACKUP_SEMANTICS | _OPEN_REPARSE_POINT
    handle = _kernel.CreateFileW(path, access, share, None, _OPEN_EXISTING, flags, None)
    if handle is None or handle == _INVALID:
        raise _last(path)
    return int(handle)


def close(handle: int) -> None:
    """Close a handle. OSError."""
    if not _kernel.CloseHandle(handle):
        raise _last()


def _information(handle: int, kind: int, size: int) -> bytes:
    buffer = ctypes.create_string_buffer(size)
    if not _kernel.GetFileInformationByHandleEx(handle, kind, buffer, size):
        raise _last()
    return buffer.raw


def describe(handle: int) -> tuple[bytes, bytes, int]:
    """(BY_HANDLE_FILE_INFORMATION, FILE_BASIC_INFO, reparse tag) of a handle. OSError."""
    buffer = ctypes.create_string_buffer(records.BY_HANDLE.size)
    if not _kernel.GetFileInformationByHandle(handle, buffer):
        raise _last()
    return buffer.raw, _information(handle, _BASIC_INFO, records.BASIC.size), tag_of(handle)[1]


def tag_of(handle: int) -> tuple[int, int]:
    """(Attributes, reparse tag) of a handle. OSError."""
    raw = _information(handle, _ATTRIBUTE_TAG_INFO, records.ATTRIBUTE_TAG.size)
    attributes, tag = records.ATTRIBUTE_TAG.unpack(raw)
    return int(attributes), int(tag)


def set_basic(handle: int, mtime_ns: int, attributes: int) -> None:
    """Set the time of the last write and, unless 0, all attributes. OSError."""
    stamp = records.to_filetime(mtime_ns)
    if not 0 < stamp < 1 << 63:  # 0 would mean: leave as it is
        raise OverflowError("time out of range")
    raw = records.BASIC.pack(0, 0, stamp, 0, attributes)
    if not _kernel.SetFileInformationByHandle(handle, _BASIC_INFO, raw, len(raw)):
        raise _last()


def list_directory(handle: int) -> list[bytes] | None:
    """Buffers of FILE_ID_BOTH_DIR_INFO records; None where the server cannot. OSError."""
    buffers: list[bytes] = []
    buffer = ctypes.create_string_buffer(1 << 16)
    kind = _LIST_FROM_START
    while _kernel.GetFileInformationByHandleEx(handle, kind, buffer, len(buffer)):
        buffers.append(buffer.raw)
        kind = _LIST_ON
    number = ctypes.get_last_error()
    if number == _NO_MORE_FILES:
        return buffers
    if not buffers and number in _LIST_UNSUPPORTED:
        return None
    raise ctypes.WinError(number)


def allocated_ranges(handle: int, size: int) -> list[tuple[int, int]] | None:
    """(Start, length) of what is allocated below ``size``; None where that is not told."""
    found: list[tuple[int, int]] = []
    answer = ctypes.create_string_buffer(records.RANGE.size * 1024)
    got = wintypes.DWORD()
    at = 0
    while at < size:
        asked = records.RANGE.pack(at, size - at)
        words = (asked, len(asked), answer, len(answer), ctypes.byref(got), None)
        whole = _kernel.DeviceIoControl(handle, _QUERY_ALLOCATED_RANGES, *words)
        if not whole and ctypes.get_last_error() != _MORE_DATA:
            return None
        ranges = list(records.RANGE.iter_unpack(answer.raw[: got.value]))
        found += ranges
        if whole or not ranges:
            break
        at = sum(ranges[-1])
    return found


def control(handle: int, code: int, asked: bytes, room: int) -> bytes:
    """What a driver answers to a control code, at most ``room`` bytes. OSError."""
    answer = ctypes.create_string_buffer(room) if room else None
    got = wintypes.DWORD()
    words = (asked or None, len(asked), answer, room, ctypes.byref(got), None)
    if not _kernel.DeviceIoControl(handle, code, *words):
        raise _last()
    return answer.raw[: got.value] if answer else b""


class _Overlapped(ctypes.Structure):
    """OVERLAPPED: for a handle that waits, only the place that a transfer begins at."""

    _fields_ = (
        ("internal", ctypes.c_size_t),
        ("internal_high", ctypes.c_size_t),
        ("offset", wintypes.DWORD),
        ("offset_high", wintypes.DWORD),
        ("event", wintypes.HANDLE),
    )


def read_at(handle: int, view: memoryview, offset: int) -> int:
    """Read at an offset into a writable view; bytes read, 0 at the end. OSError."""
    place = (ctypes.c_char * len(view)).from_buffer(view)
    return _transfer(_kernel.ReadFile, handle, place, len(view), offset)


def write_at(handle: int, data: bytes, offset: int) -> int:
    """Write at an offset; bytes written. OSError."""
    return _transfer(_kernel.WriteFile, handle, data, len(data), offset)


def _transfer(
    call: Callable[..., int], handle: int, place: object, length: int, offset: int
) -> int:
    done = wintypes.DWORD()
    at = _Overlapped(offset=offset & 0xFFFF_FFFF, offset_high=offset >> 32)
    words = (wintypes.HANDLE(handle), place, length, ctypes.byref(done), ctypes.byref(at))
    if not call(*words) and ctypes.get_last_error() != _HANDLE_EOF:
        raise _last()
    return done.value


def file_size(handle: int) -> int:
    """Bytes of an open file. OSError."""
    return records.parse_open(*describe(handle))[1].size


def set_file_size(handle: int, size: int) -> None:
    """Set the length of an open file. OSError."""
    raw = size.to_bytes(8, "little")
    if not _kernel.SetFileInformationByHandle(handle, _END_OF_FILE_INFO, raw, len(raw)):
        raise _last()


def set_sparse(handle: int) -> bool:
    """Let unwritten ranges of an open file take no storage; whether that is possible."""
    got = wintypes.DWORD()
    words = (None, 0, None, 0, ctypes.byref(got), None)
    return bool(_kernel.DeviceIoControl(handle, _SET_SPARSE, *words))


def flush(handle: int) -> None:
    """Make a file or volume durable. OSError."""
    if not _kernel.FlushFileBuffers(handle):
        raise _last()


def get_security(handle: int) -> bytes:
    """The self-relative security descriptor, without audit entries. OSError."""
    parts, need = OWNER | GROUP | DACL, wintypes.DWORD()
    _advapi.GetKernelObjectSecurity(handle, parts, None, 0, ctypes.byref(need))
    if ctypes.get_last_error() != _INSUFFICIENT_BUFFER:
        raise _last()
    buffer = ctypes.create_string_buffer(need.value)
    if not _advapi.GetKernelObjectSecurity(handle, parts, buffer, need, ctypes.byref(need)):
        raise _last()
    return buffer.raw


def set_security(handle: int, parts: int, descriptor: bytes) -> None:
    """Set parts of the security descriptor. OSError."""
    if not _advapi.SetKernelObjectSecurity(handle, parts, descriptor):
        raise _last()


def open_plain_directory(path: str, name: bytes, share: int) -> int:
    """A handle of a directory that is not a link. OSError."""
    handle = open_handle(path, LIST_DIRECTORY | READ_ATTRIBUTES | READ_CONTROL, share)
    attributes, tag = tag_of(handle)
    if records.is_link(attributes, tag) or not attributes & records.DIRECTORY:
        close(handle)
        raise fail(errno.ENOTDIR, name, "not a directory")
    return handle
