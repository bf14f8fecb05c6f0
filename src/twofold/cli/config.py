"""The configuration file: TOML, flat, and strict, so that a typing error is told and not ignored.

It answers for options that neither the command line nor the environment gave. Secrets have no place
in it; it says where they come from.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from twofold.errors import UsageError

LOCATION_VARIABLE = "TWOFOLD_CONFIG"


def _text(value: object) -> str:
    if isinstance(value, str) and value:
        return value
    raise ValueError("text in quotes")


def _place(value: object) -> str:
    return os.path.expanduser(_text(value))


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise ValueError("a list of texts")


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("true or false")


def _size(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return str(value)
    if isinstance(value, str):
        return value
    raise ValueError('a size such as "10M"')


def _words(value: object) -> str | tuple[str, ...]:
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, list) and value:
        return _texts(value)
    raise ValueError("a command as text or as a list of its words")


GLOBAL_KEYS: Mapping[str, Callable[[object], Any]] = {
    "repo": _place,
    "password-file": _place,
    "password-command": _words,
    "key-file": _place,
    "limit-upload": _size,
    "limit-download": _size,
}
BACKUP_KEYS: Mapping[str, Callable[[object], Any]] = {
    "name": _text,
    "host": _text,
    "tag": _texts,
    "exclude": _texts,
    "exclude-from": _texts,
    "exclude-if-present": _texts,
    "exclude-larger-than": _size,
    "exclude-caches": _flag,
    "one-file-system": _flag,
}
KEYS = {**GLOBAL_KEYS, **BACKUP_KEYS}


class Config(msgspec.Struct, frozen=True):
    """What the file says; keys are spelled like the options."""

    path: Path | None = None
    values: Mapping[str, Any] = msgspec.field(default_factory=dict)


def load() -> Config:
    """Read the file that ``TWOFOLD_CONFIG`` names or the user's own; none is no error."""
    named = os.environ.get(LOCATION_VARIABLE)
    path = Path(named) if named else default_path()
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        if named:
            raise UsageError(f"the configuration file '{path}' does not exist") from None
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"the configuration file '{path}' cannot be read ({why})") from error
    return Config(path, parse(text, path))


def default_path() -> Path:
    """Where the user's configuration is looked for."""
    from twofold.own_folders import config_folder

    return config_folder() / "config.toml"


def parse(text: str, path: Path) -> dict[str, Any]:
    """Checked values out of TOML; ``UsageError`` names the line."""
    import tomllib

    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {error}", hint="the file must be TOML: key = value") from error
    return {key: _checked(key, value, f"{path}, {_line(text, key)}") for key, value in raw.items()}


def _checked(key: str, value: object, where: str) -> object:
    if key not in KEYS:
        raise UsageError(f"{where}: unknown key '{key}'", hint=_suggestion(key))
    try:
        return KEYS[key](value)
    except ValueError as wanted:
        raise UsageError(f"{where}: '{key}' must be {wanted}") from None


def _suggestion(key: str) -> str:
    import difflib

    if key in ("password", "secret"):
        return "passwords have no place in this file; use password-file or password-command"
    near = difflib.get_close_matches(key.replace("_", "-"), KEYS, 1)
    return f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(KEYS)}"


def _line(text: str, key: str) -> str:
    """Where a key stands, found as people would."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip(" \t\"'[").startswith(key):
            return f"line {number}"
    return "somewhere"
