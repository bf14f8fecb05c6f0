"""The virtual disks in a ``WindowsImageBackup`` folder, oldest backup first.

Such folders are renamed and moved about, so they are told by what is in them: whatever holds
folders named ``Backup <date> <time>`` is a computer. Nothing in them is followed if it is a link.
What is not understood is told and left out, and never ends the search.
"""

import os
from collections.abc import Iterator

import msgspec

from twofold.disk.windows_image_backup import (
    FOLDER,
    SPECS,
    SPECS_LIMIT,
    backup_time,
    is_disk,
    is_known,
    parse_specs,
    volume_guid,
)
from twofold.errors import FormatError, UsageError
from twofold.events import Emit, Notice, SourceWarning

_MOST_NOTICES = 20
Entry = os.DirEntry[bytes]
Backup = tuple[int, bytes]
"""When it was made, and its folder."""
Computer = tuple[str, list[Backup]]
"""Name and backups, oldest first."""


class VirtualDisk(msgspec.Struct, frozen=True):
    """A disk-image file, and what is known of it before it is opened."""

    path: bytes
    source: bytes
    """What its disk is called in the repository; the same for every backup of a volume."""
    host: str
    time_ns: int
    volume: str | None = None
    """The letter or folder of the one volume in it, or empty; None for the disk of a program that
    does not split disks."""


class BackupFolder:
    """Looks through a folder; ``refused`` counts what should be there and cannot be had."""

    def __init__(self, top: bytes, emit: Emit) -> None:
        self._top = os.path.abspath(top)
        self._emit = emit
        self._notices = 0
        self.refused = 0

    def disks(self, *, only_latest: bool = False) -> list[VirtualDisk]:
        """All of them by time. ``UsageError`` when the folder holds no backup."""
        found: list[VirtualDisk] = []
        computers = 0
        for host, backups in self._computers(self._top, _listed(self._top)):
            computers += 1
            kept = backups[-1:] if only_latest else backups
            for time_ns, folder in kept:
                found += self._backup(host, time_ns, folder)
        if not computers:
            shown = os.fsdecode(self._top)
            raise UsageError(
                f"'{shown}' holds no backup that Windows made of its disks",
                hint=f"name the folder {FOLDER}, or a disk-image file",
            )
        if self._notices > _MOST_NOTICES:
            more = self._notices - _MOST_NOTICES
            self._emit(Notice(f"{more} more entries are not known and left out"))
        return sorted(found, key=lambda disk: (disk.time_ns, disk.host, disk.source))

    # down to the backups

    def _computers(self, path: bytes, entries: list[Entry]) -> Iterator[Computer]:
        """Name and backups of each computer, whichever folder of the three levels was named."""
        made = self._time_of(path)
        if made is not None:
            yield _host(os.path.dirname(path)), [(made, path)]
            return
        backups = self._backups(entries)
        if backups:
            yield _host(path), backups
            return
        named = [each for each in filter(_is_folder, entries) if _is_called(each, FOLDER)]
        for each in named:
            yield from self._each(self._entries(each.path))
        if not named:
            yield from self._each(entries)

    def _each(self, entries: list[Entry]) -> Iterator[Computer]:
        for each in filter(_is_folder, entries):
            backups = self._backups(self._entries(each.path))
            if backups:
                yield _host(each.path), backups

    def _backups(self, entries: list[Entry]) -> list[Backup]:
        """(time, folder) of the backups among the entries of a computer's folder."""
        found = []
        for each in entries:
            made = self._time_of(each.path) if _is_folder(each) else None
            if made is not None:
                found.append((made, each.path))
        if found:
            self._tell_unknown(each for each in entries if self._time_of(each.path) is None)
        return sorted(found)

    def _time_of(self, path: bytes) -> int | None:
        """When a backup folder says that it was made; None for any other folder."""
        try:
            return backup_time(os.fsdecode(os.path.basename(path)))
        except FormatError:
            return None

    # one backup

    def _backup(self, host: str, time_ns: int, folder: bytes) -> Iterator[VirtualDisk]:
        entries = self._entries(folder)
        files = [each for each in entries if each.is_file(follow_symlinks=False)]
        disks = [each for each in files if is_disk(os.fsdecode(each.name))]
        self._tell_unknown(each for each in entries if each not in disks)
        volumes = self._volumes(files)
        if not disks and not volumes:
            self._refuse(folder, "no disk is in it")
        for each in disks:
            name = os.fsdecode(each.name)
            guid = volume_guid(name)
            known_as = each.name.lower() if guid else each.name
            source = b"/".join((os.fsencode(FOLDER), os.fsencode(host), known_as))
            volume = volumes.pop(guid, "")
            yield VirtualDisk(each.path, source, host, time_ns, volume)
        for guid, volume in volumes.items():
            self._refuse(folder, f"the disk of {volume or 'volume ' + guid} is not there")

    def _volumes(self, files: list[Entry]) -> dict[str, str]:
        """Letters by GUID, as the backup says; none if it does not."""
        for each in files:
            if _is_called(each, SPECS):
                try:
                    with open(each.path, "rb") as file:
                        return {v.guid: v.path for v in parse_specs(file.read(SPECS_LIMIT + 1))}
                except (OSError, FormatError) as error:
                    reason = getattr(error, "strerror", None) or str(error)
                    shown = os.fsdecode(each.path)
                    self._emit(Notice(f"'{shown}' does not tell drive letters: {reason}"))
        return {}

    # what is told

    def _entries(self, path: bytes) -> list[Entry]:
        try:
            return _listed(path)
        except UsageError as error:
            self._refuse(path, error.message)
            return []

    def _tell_unknown(self, entries: Iterator[Entry]) -> None:
        for each in entries:
            if is_known(os.fsdecode(each.name)) and not each.is_symlink():
                continue
            self._notices += 1
            if self._notices <= _MOST_NOTICES:
                shown = os.fsdecode(each.path)
                self._emit(Notice(f"'{shown}' is not what Windows puts there; it is left out"))

    def _refuse(self, path: bytes, reason: str) -> None:
        self.refused += 1
        self._emit(SourceWarning(path, "import", reason))


def _host(folder: bytes) -> str:
    """The name of a computer by that of its folder, as it is kept: in UTF-8, whatever it was in."""
    return os.path.basename(folder).decode("utf-8", "backslashreplace")


def _listed(path: bytes) -> list[Entry]:
    try:
        with os.scandir(path) as found:
            return sorted(found, key=lambda each: each.name)
    except OSError as error:
        shown = os.fsdecode(path)
        raise UsageError(f"'{shown}' cannot be listed: {error.strerror}") from error


def _is_called(entry: Entry, name: str) -> bool:
    """Windows does not tell capitals from small letters."""
    return os.fsdecode(entry.name).lower() == name.lower()


def _is_folder(entry: Entry) -> bool:
    return entry.is_dir(follow_symlinks=False)
