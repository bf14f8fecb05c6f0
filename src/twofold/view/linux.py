"""Facts of a Linux: os-release, host name, time zone, people, and what it mounts."""

import re
from collections.abc import Iterator

import msgspec

from twofold.errors import DamageFound
from twofold.format.image import PartName
from twofold.view.system_facts import SystemFacts, User
from twofold.view.whole_file import WholeFiles

_LIMIT = 1 << 20
_MOST_LINES = 10_000
_ASSIGNMENT = re.compile(r"([A-Z_]+)=(.*)")
_ESCAPED = re.compile(r"\\(.)")
_PEOPLE = range(1000, 60000)
_NOTHING = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false")
_ZONES = b"zoneinfo/"


def linux_facts(files: WholeFiles, partition: PartName) -> SystemFacts | None:
    """The system whose top this tree is, None where there is none. ``DamageFound``."""
    text = _Texts(files)
    release = text.read("etc/os-release") or text.read("usr/lib/os-release")
    if not release:
        return None
    told = dict(_assignments(release))
    return SystemFacts(
        partition=partition,
        family="linux",
        name=told.get("PRETTY_NAME") or told.get("NAME") or "Linux",
        version=told.get("VERSION_ID", ""),
        build=told.get("BUILD_ID", ""),
        edition=told.get("VARIANT", ""),
        computer=next(iter(_lines(text.read("etc/hostname"))), ""),
        time_zone=_time_zone(files, text),
        mounts=tuple(_mounts(text.read("etc/fstab"))),
        users=tuple(_people(text.read("etc/passwd"))),
        notes=tuple(text.notes),
    )


class _Texts(msgspec.Struct):
    """Reads small texts; what cannot be read is noted, and empty."""

    files: WholeFiles
    notes: list[str] = msgspec.field(default_factory=list)

    def read(self, path: str) -> str:
        try:
            data = self.files.read(path.encode().split(b"/"), _LIMIT)
        except DamageFound as error:
            self.notes.append(f"/{path} cannot be read: {error.message}")
            return ""
        return data.decode("utf-8", "replace") if data else ""


def _lines(text: str) -> Iterator[str]:
    for line in map(str.strip, text.splitlines()[:_MOST_LINES]):
        if line and not line.startswith("#"):
            yield line


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    for line in _lines(text):
        match = _ASSIGNMENT.fullmatch(line)
        if match:
            value = match[2]
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                value = _ESCAPED.sub(r"\1", value[1:-1])
            yield match[1], value


def _time_zone(files: WholeFiles, text: _Texts) -> str:
    named = next(iter(_lines(text.read("etc/timezone"))), "")
    if named:
        return named
    found = files.find((b"etc", b"localtime"))
    target = found.node.content if found is not None else b""
    return target.partition(_ZONES)[2].decode("utf-8", "replace")


def _mounts(text: str) -> Iterator[str]:
    for line in _lines(text):
        words = line.split()
        if len(words) > 2 and words[1].startswith("/"):
            yield words[1]


def _people(text: str) -> Iterator[User]:
    for line in _lines(text):
        words = line.split(":")
        if len(words) < 7 or not words[2].isdecimal() or len(words[2]) > 9:
            continue
        if int(words[2]) in _PEOPLE:
            yield User(words[0], words[2], words[5], words[6] in _NOTHING)
