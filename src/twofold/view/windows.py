"""Facts of a Windows, out of the registry hives on its own partition.

    SOFTWARE         which Windows, profiles, programs of both bitnesses
    SYSTEM           name of the computer, time zone
    SAM              local accounts
    NTUSER.DAT       programs of each user

Each hive is read into memory, brought up to date from its logs, asked and let go. Whatever is wrong
with one costs what it would have told, and is told as a note.
"""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import msgspec

from twofold.disk.hive import HIVE_LIMIT, Hive, Key
from twofold.disk.hive_log import LOG_LIMIT, recovered
from twofold.errors import DamageFound
from twofold.format.image import PartName
from twofold.format.pages import NodeKind
from twofold.view.system_facts import Program, SystemFacts, User
from twofold.view.whole_file import WholeFiles

_CONFIG = (b"Windows", b"System32", b"config")
_VERSION = "Microsoft\\Windows NT\\CurrentVersion"
_PROFILES = _VERSION + "\\ProfileList"
_UNINSTALL = "Microsoft\\Windows\\CurrentVersion\\Uninstall"
_ACCOUNTS = "SAM\\Domains\\Account\\Users"
_PERSON = re.compile(r"S-1-5-21-[0-9-]+|S-1-12-1-[0-9-]+")
_DAY = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_DRIVE = re.compile(r"(?:[A-Za-z]:|%SystemDrive%)[\\/]", re.IGNORECASE)
_WINDOWS_11 = 22000
_MOST_PROGRAMS = 10_000
_MOST_USERS = 500
_MOST_HIVES = 50
"""Users whose own hives are read."""
_ACCOUNT_FLAGS, _DISABLED = 0x38, 0x1


def windows_facts(files: WholeFiles, partition: PartName) -> SystemFacts | None:
    """The Windows on this partition, None where there is none. ``DamageFound``."""
    config = files.find(_CONFIG, any_case=True)
    if config is None or config.node.kind != NodeKind.DIRECTORY:
        return None
    hives = _Hives(files)
    found = _Found(partition)
    if files.find((*config.path, b"SOFTWARE"), any_case=True) is None:
        return None  # what is left of one
    with hives.opened(*config.path, b"SOFTWARE") as software:
        if software is not None:
            _ask_software(software, found)
    with hives.opened(*config.path, b"SYSTEM") as system:
        if system is not None:
            _ask_system(system, found)
    with hives.opened(*config.path, b"SAM") as sam:
        if sam is not None:
            found.accounts = list(islice(_accounts(sam), _MOST_USERS))
    for user in found.profiles[:_MOST_HIVES]:
        home = _below_drive(user.home)
        if home:
            with hives.opened(*home, b"NTUSER.DAT") as own:
                if own is not None:
                    found.add_programs(own, "Software\\" + _UNINSTALL, 64, user.name)
    return found.facts(tuple(hives.notes))


class _Hives(msgspec.Struct):
    """Opens hives one after the other; what is wrong with them is noted."""

    files: WholeFiles
    notes: list[str] = msgspec.field(default_factory=list)

    @contextmanager
    def opened(self, *path: bytes) -> Iterator[Hive | None]:
        """The hive at a path, up to date; None where it cannot be read or there is none.

        Damage that is met while it is asked ends the asking, and is noted too.
        """
        shown = "\\".join(name.decode("utf-8", "replace") for name in path[-2:])
        hive: Hive | None = None
        try:
            data = self.files.read(path, HIVE_LIMIT, any_case=True)
            hive = self._current(path, data, shown) if data is not None else None
        except DamageFound as error:
            self._note(shown, error)
        try:
            yield hive
        except DamageFound as error:
            self._note(shown, error)

    def _note(self, shown: str, error: DamageFound) -> None:
        self.notes.append(f"the registry hive {shown} cannot be read whole: {error.message}")

    def _current(self, path: tuple[bytes, ...], data: bytes, shown: str) -> Hive:
        hive = Hive(data)
        if hive.clean:
            return hive
        logs = [self._log((*path[:-1], path[-1] + ending)) for ending in (b".LOG1", b".LOG2")]
        newer = recovered(data, [log for log in logs if log])
        if newer is None:
            self.notes.append(
                f"the registry hive {shown} was in use and has no log: it may be out of date"
            )
            return hive
        return Hive(newer)

    def _log(self, path: tuple[bytes, ...]) -> bytes:
        try:
            return self.files.read(path, LOG_LIMIT, any_case=True) or b""
        except DamageFound:
            return b""


class _Found(msgspec.Struct):
    """What was found so far."""

    partition: PartName
    version: dict[str, str] = msgspec.field(default_factory=dict)
    computer: str = ""
    time_zone: str = ""
    profiles: list[User] = msgspec.field(default_factory=list)
    accounts: list[User] = msgspec.field(default_factory=list)
    programs: list[Program] = msgspec.field(default_factory=list)

    def add_programs(self, hive: Hive, path: str, bits: int, user: str = "") -> None:
        """The programs that one key lists."""
        key = hive.find(path)
        for each in key.subkeys() if key is not None else ():
            if len(self.programs) >= _MOST_PROGRAMS:
                return
            program = _program(each.texts(), self.partition, bits, user)
            if program is not None:
                self.programs.append(program)

    def facts(self, notes: tuple[str, ...]) -> SystemFacts:
        """All of it."""
        told = self.version
        build = told.get("currentbuild") or told.get("currentbuildnumber", "")
        seconds = _number(told.get("installdate", ""))
        return SystemFacts(
            partition=self.partition,
            family="windows",
            name=_name(told.get("productname", ""), build),
            version=told.get("displayversion")
            or told.get("releaseid")
            or told.get("csdversion", ""),
            build=build + (f".{told['ubr']}" if build and told.get("ubr") else ""),
            edition=told.get("editionid", ""),
            computer=self.computer,
            time_zone=self.time_zone,
            owner=told.get("registeredowner", ""),
            installed_ns=seconds * 10**9 if seconds else None,
            users=tuple(self._users()),
            programs=tuple(sorted(self.programs, key=lambda each: each.name.casefold())),
            notes=notes,
        )

    def _users(self) -> Iterator[User]:
        """Who has a profile, and then who has only an account."""
        by_number = {account.id: account for account in self.accounts}
        for profile in self.profiles:
            account = by_number.pop(profile.id.rpartition("-")[2], None)
            if account is None:
                yield profile
            else:
                yield User(account.name, profile.id, profile.home, account.disabled)
        yield from by_number.values()


def _name(product: str, build: str) -> str:
    """The product's name; Windows 11 still calls itself 10 there."""
    if product.startswith("Windows 10") and _number(build) >= _WINDOWS_11:
        return "Windows 11" + product.removeprefix("Windows 10")
    return product or "Windows"


def _number(text: str) -> int:
    """A whole number of at most ten digits, 0 for anything else."""
    return int(text) if text.isdecimal() and len(text) <= 10 else 0


def _ask_software(software: Hive, found: _Found) -> None:
    key = software.find(_VERSION)
    found.version = key.texts() if key is not None else {}
    profiles = software.find(_PROFILES)
    for each in islice(profiles.subkeys(), _MOST_USERS) if profiles is not None else ():
        home = each.text("ProfileImagePath")
        if _PERSON.fullmatch(each.name) and home:
            found.profiles.append(User(re.split(r"[\\/]", home)[-1], each.name, home))
    narrow = software.find("WOW6432Node")
    found.add_programs(software, _UNINSTALL, 32 if narrow is None else 64)
    found.add_programs(software, "WOW6432Node\\" + _UNINSTALL, 32)


def _ask_system(system: Hive, found: _Found) -> None:
    select = system.find("Select")
    number = select.text("Current") if select is not None else ""
    control = f"ControlSet{_number(number) or 1:03}"
    names = system.find(control + "\\Control\\ComputerName\\ComputerName")
    found.computer = names.text("ComputerName") if names is not None else ""
    zone = system.find(control + "\\Control\\TimeZoneInformation")
    if zone is not None:
        # the name is in a buffer of fixed size; older systems have only the one with its language
        found.time_zone = zone.text("TimeZoneKeyName") or zone.text("StandardName")


def _accounts(sam: Hive) -> Iterator[User]:
    """Local accounts by number; the type of a name's default value is its number."""
    names, users = sam.find(_ACCOUNTS + "\\Names"), sam.find(_ACCOUNTS)
    if names is None or users is None:
        return
    flags = {key.name.upper(): _flags(key) for key in islice(users.subkeys(), _MOST_USERS)}
    for each in names.subkeys():
        value = next(each.values(), None)
        if value is not None:
            disabled = bool(flags.get(f"{value.type:08X}", 0) & _DISABLED)
            yield User(each.name, str(value.type), "", disabled)


def _flags(account: Key) -> int:
    data = account.data("F")
    found: tuple[int] = struct.unpack_from("<H", data.ljust(_ACCOUNT_FLAGS + 2, b"\0"), 0x38)
    return found[0]


def _program(told: dict[str, str], partition: PartName, bits: int, user: str) -> Program | None:
    """A program as Windows lists it: none that is a part or an update of another one."""
    name = told.get("displayname", "").strip()
    if not name or told.get("systemcomponent") == "1" or told.get("parentkeyname"):
        return None
    day = _DAY.fullmatch(told.get("installdate", "").strip())
    return Program(
        partition,
        name,
        told.get("displayversion", ""),
        told.get("publisher", ""),
        "-".join(day.groups()) if day else "",
        user,
        bits,
    )


def _below_drive(home: str) -> tuple[bytes, ...]:
    """A folder on the system's own drive as a path; empty for any other."""
    match = _DRIVE.match(home)
    if match is None:
        return ()
    names = re.split(r"[\\/]", home[match.end() :])
    return tuple(name.encode("utf-8", "surrogatepass") for name in names if name not in ("", ".."))
