"""This machine, its users and its processes."""

import grp
import hashlib
import hmac
import os
import pwd
import re
import sys
from functools import cache

from twofold.platform.base import Machine

assert sys.platform == "linux"

_MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id")
_PURPOSE = b"twofold machine"
_OS_RELEASES = ("/etc/os-release", "/usr/lib/os-release")
_FOLDERS = {  # as xdg-user-dirs knows them, with the names used where nothing is configured
    "DESKTOP": "Desktop",
    "DOCUMENTS": "Documents",
    "DOWNLOAD": "Downloads",
    "MUSIC": "Music",
    "PICTURES": "Pictures",
    "PUBLICSHARE": "Public",
    "TEMPLATES": "Templates",
    "VIDEOS": "Videos",
}
_ENDED = b"ZX"  # process states: waiting to be reaped, dead


def machine() -> Machine:
    """Who we are."""
    return Machine(
        host=os.uname().nodename,
        machine_id=_machine_id(),
        boot_id=_first_line("/proc/sys/kernel/random/boot_id"),
        system="linux",
        description=_description(),
    )


def _machine_id() -> str:
    """Derived, because machine-id(5) asks not to show the id itself to anybody."""
    for path in _MACHINE_IDS:
        secret = _first_line(path)
        if re.fullmatch("[0-9a-f]{32}", secret):
            return hmac.new(bytes.fromhex(secret), _PURPOSE, hashlib.sha256).hexdigest()[:32]
    return ""


def _description() -> str:
    for path in _OS_RELEASES:
        for line in _text(path).splitlines():
            key, _, value = line.partition("=")
            if key == "PRETTY_NAME":
                return value.strip().strip("\"'")
    return f"Linux {os.uname().release}"


def user_name() -> str:
    """Login name of who we act as, or the number where there is none."""
    return owner_name(os.geteuid()) or str(os.geteuid())


@cache
def owner_name(uid: int) -> str:
    """User name, empty where unknown."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return ""


@cache
def group_name(gid: int) -> str:
    """Group name, empty where unknown."""
    try:
        return grp.getgrgid(gid).gr_name
    except (KeyError, OverflowError):
        return ""


@cache
def owner_id(user: str) -> int | None:
    """User id of a name on this machine, None where unknown."""
    try:
        return pwd.getpwnam(user).pw_uid if user else None
    except (KeyError, ValueError):  # a zero byte in the name
        return None


@cache
def group_id(group: str) -> int | None:
    """Group id of a name on this machine, None where unknown."""
    try:
        return grp.getgrnam(group).gr_gid if group else None
    except (KeyError, ValueError):
        return None


def process_alive(pid: int) -> bool:
    """Whether a process exists and has not ended."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # somebody else's, so it exists
    return _state(pid) not in _ENDED


def _state(pid: int) -> int:
    """State letter from /proc; a blank when that does not tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            words = file.read().rpartition(b")")[2].split()  # the program's name may hold anything
    except OSError:
        words = []
    return words[0][0] if words else ord(" ")


def personal_folders() -> list[bytes]:
    """The user's folders as xdg-user-dirs has them, else by their usual names; existing ones."""
    home = os.path.expanduser("~")
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    named = _configured(_text(os.path.join(config, "user-dirs.dirs")), home)
    found: list[str] = []
    for key, usual in _FOLDERS.items():
        path = os.path.normpath(named.get(key, os.path.join(home, usual)))
        # the home itself is how xdg-user-dirs says "none"
        if path != os.path.normpath(home) and os.path.isdir(path):
            found.append(path)
    return [os.fsencode(path) for path in _outermost(found)]


def _configured(text: str, home: str) -> dict[str, str]:
    """Folders by key from a user-dirs.dirs file: shell assignments of a very narrow form."""
    line = re.compile(r'^\s*XDG_([A-Z]+)_DIR\s*=\s*"(\$HOME(?=/|")|/)((?:[^"\\]|\\.)*)"', re.M)
    found = {}
    for key, start, rest in line.findall(text):
        found[key] = (home if start == "$HOME" else "/") + re.sub(r"\\(.)", r"\1", rest)
    return found


def _outermost(paths: list[str]) -> list[str]:
    """Without repetitions and without folders inside others, order kept."""
    unique = list(dict.fromkeys(paths))
    return [path for path in unique if not any(path.startswith(f"{other}/") for other in unique)]


def _first_line(path: str) -> str:
    return _text(path).partition("\n")[0].strip()


def _text(path: str) -> str:
    """A small text file, empty where there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
