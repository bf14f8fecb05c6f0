"""The facts of an operating system, whichever it is."""

from typing import ClassVar

import msgspec

from twofold.format.image import PartName


class User(msgspec.Struct, frozen=True):
    """A person's account: ``id`` is a SID or a number, ``home`` the folder as the system has it."""

    name: str
    id: str
    home: str
    disabled: bool = False


class Program(msgspec.Struct, frozen=True):
    """An installed program; ``user`` is empty where it is there for everybody.

    ``installed`` is a day (2026-11-01) or empty, ``bits`` 32 or 64.
    """

    partition: PartName
    name: str
    version: str
    publisher: str
    installed: str
    user: str
    bits: int


class SystemFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One installed system; texts are empty where it does not tell."""

    SHOWN_AS: ClassVar = {"programs": "program"}

    partition: PartName
    family: str
    name: str
    version: str = ""
    build: str = ""
    edition: str = ""
    computer: str = ""
    time_zone: str = ""
    owner: str = ""
    installed_ns: int | None = None
    mounts: tuple[str, ...] = ()
    users: tuple[User, ...] = ()
    programs: tuple[Program, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences about what could not be read, or may be out of date."""
