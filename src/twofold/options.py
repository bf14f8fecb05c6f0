"""What commands are asked with: the base of all options, secrets, and how to reach a repository.

A front end parses words into these types; a command never sees a string that still means something
else. Secrets are objects, so that no repr, log or traceback can show one. A result whose fields are
lists of records of their own names them, and the type of these records, in ``SHOWN_AS``.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import msgspec

from twofold.errors import UsageError

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(?:([kmgtp])(i?b)?|b)?", re.IGNORECASE)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%?")


class Secret:
    """A password, recovery key or the contents of a key file; shows itself only when asked to."""

    __slots__ = ("_value", "is_key_file")

    def __init__(self, value: bytes, *, is_key_file: bool = False) -> None:
        self._value = value
        self.is_key_file = is_key_file

    def reveal(self) -> bytes:
        """The bytes themselves."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is never serialised")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what a command is asked to do: plain data that a plan file could hold as well."""


class RepositoryAccess(msgspec.Struct, frozen=True):
    """Where a repository is and what opens it; limits in bytes per second, None is unlimited.

    ``secret`` is called once the repository was found, so nobody types a password for nothing.
    """

    location: str
    secret: Callable[[], Secret]
    upload_limit: int | None = None
    download_limit: int | None = None


def parse_size(text: str) -> int:
    """Bytes out of ``1500``, ``64K``, ``1.5G``, ``10 MiB`` (1024) or ``10 MB`` (1000)."""
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise UsageError(f"'{text}' is not a size", hint="write it like 1500, 64K, 1.5G or 10 MiB")
    number, unit, ending = match.groups()
    base = 1000 if unit and (ending or "").lower() == "b" else 1024
    whole, _, part = number.partition(".")
    factor: int = base ** " kmgtp".index((unit or " ").lower())
    return int(whole + part) * factor // int("1" + "0" * len(part))


def parse_time(text: str) -> int:
    """Nanoseconds since 1970 out of ``2026-11-01`` or ``2026-11-01T12:30``, in local time.

    Another zone may follow, as in RFC 3339: ``2026-11-01T12:30:00Z``.
    """
    try:
        since = datetime.fromisoformat(text.strip()).astimezone(UTC) - _EPOCH
    except (ValueError, OverflowError, OSError) as error:
        hint = "write it like 2026-11-01, 2026-11-01T12:30 or 2026-11-01T12:30:00Z"
        raise UsageError(f"'{text}' is not a time", hint=hint) from error
    return since // timedelta(microseconds=1) * 1000


def parse_percent(text: str) -> float:
    """A share of the whole out of ``5%`` or ``2.5``: above 0, at most 100."""
    match = _PERCENT.fullmatch(text.strip())
    if not match or not 0 < float(match[1]) <= 100:
        raise UsageError(f"'{text}' is not a share", hint="write it like 5%, from above 0 to 100%")
    return float(match[1])
