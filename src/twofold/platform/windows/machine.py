"""This machine, its users and its processes."""

import ctypes
import getpass
import hashlib
import hmac
import os
import socket
import sys
import winreg
from ctypes import wintypes

from twofold.platform.base import Machine
from twofold.platform.windows import paths

assert sys.platform == "win32"

_PURPOSE = b"twofold machine"
_MACHINE = winreg.HKEY_LOCAL_MACHINE
_VERSION = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
_PREFETCH = r"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters"
_SHELL_FOLDERS = r"Software\Microsoft\Windows\CurrentVersion\Explorer\User Shell Folders"
_FOLDERS = (
    "Desktop",
    "Personal",
    "{374DE290-123F-4565-9164-39C4925E467B}",  # Downloads
    "My Music",
    "My Pictures",
    "My Video",
    "Favorites",
)
_SYNCHRONIZE, _QUERY_LIMITED = 0x10_0000, 0x1000
_ACCESS_DENIED, _WAIT_TIMEOUT = 5, 258

_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel.OpenProcess.restype = wintypes.HANDLE
_kernel.OpenProcess.argtypes = [wintypes.DWORD, wintypes.BOOL, wintypes.DWORD]
_kernel.WaitForSingleObject.argtypes = [wintypes.HANDLE, wintypes.DWORD]
_kernel.CloseHandle.argtypes = [wintypes.HANDLE]


def machine() -> Machine:
    """Who we are."""
    guid = _value(_MACHINE, r"SOFTWARE\Microsoft\Cryptography", "MachineGuid")
    digest = hmac.new(guid.encode(), _PURPOSE, hashlib.sha256).hexdigest()[:32]
    return Machine(
        host=socket.gethostname(),
        machine_id=digest if guid else "",
        boot_id=_value(_MACHINE, _PREFETCH, "BootId"),
        system="windows",
        description=_value(_MACHINE, _VERSION, "ProductName") or "Windows",
    )


def _value(root: int, key: str, name: str) -> str:
    """A registry value as text, empty where there is none."""
    try:
        with winreg.OpenKey(root, key, access=winreg.KEY_READ | winreg.KEY_WOW64_64KEY) as opened:
            value = winreg.QueryValueEx(opened, name)[0]
    except OSError:
        return ""
    return str(value)


def user_name() -> str:
    """Login name of who we act as."""
    try:
        return getpass.getuser()
    except (OSError, ImportError, KeyError):  # no variable tells it
        return ""


def process_alive(pid: int) -> bool:
    """Whether a process exists and has not ended."""
    if not 0 < pid < 1 << 32:
        return False
    handle = _kernel.OpenProcess(_SYNCHRONIZE | _QUERY_LIMITED, False, pid)
    if not handle:
        return ctypes.get_last_error() == _ACCESS_DENIED
    try:
        return bool(_kernel.WaitForSingleObject(handle, 0) == _WAIT_TIMEOUT)
    finally:
        _kernel.CloseHandle(handle)


def personal_folders() -> list[bytes]:
    """The user's folders as the shell knows them; only those that exist."""
    found: list[str] = []
    for name in _FOLDERS:
        raw = _value(winreg.HKEY_CURRENT_USER, _SHELL_FOLDERS, name)
        path = os.path.normpath(os.path.expandvars(raw)) if raw else ""
        if path and os.path.isdir(path) and path not in found:
            found.append(path)
    return [
        paths.to_bytes(path)
        for path in found
        if not any(path.startswith(other + "\\") for other in found)
    ]
