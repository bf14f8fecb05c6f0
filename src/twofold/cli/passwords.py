"""Where secrets come from, and that they come from nowhere else.

    --password-file, --password-command, --key-file     the command line says where, never what
    TWOFOLD_PASSWORD and the same three as variables    the environment
    password-file, password-command, key-file           the configuration file
    a question on the terminal                          if there is one

The first row that has an answer decides; two answers in one row are an error. Programs that we
start do not inherit TWOFOLD_PASSWORD.
"""

import codecs
import os
import sys
from collections.abc import Mapping, Sequence

import msgspec

from twofold.cli.config import Config
from twofold.cli.given import Given
from twofold.errors import UsageError
from twofold.options import Secret

PASSWORD_VARIABLE = "TWOFOLD_PASSWORD"  # noqa: S105 (the name of a variable)
LONGEST = 1 << 20
WAYS = "use --password-file, --password-command or the variable TWOFOLD_PASSWORD"


class Origin(msgspec.Struct, frozen=True):
    """One place a secret can come from, as the user named it."""

    label: str
    kind: str
    value: str | Sequence[str]

    def read(self) -> Secret:
        """Fetch the secret."""
        match self.kind:
            case "key_file":
                return Secret(_contents(str(self.value), "key file"), is_key_file=True)
            case "password_file":
                return _first_line(_contents(str(self.value), "password file"), self.label)
            case "password_command":
                return _first_line(_output(self.value), self.label)
            case _:
                return Secret(os.fsencode(str(self.value)))


def find(given: Given, config: Config, environment: Mapping[str, str]) -> Origin | None:
    """The place that decides, None when only a question is left."""
    variable = environment.get(PASSWORD_VARIABLE)
    rows = (
        [Origin(_option(name), name, value) for name, value in _of(given.command_line)],
        [Origin(_variable(name), name, value) for name, value in _of(given.environment)]
        + ([Origin(PASSWORD_VARIABLE, "password", variable)] if variable else []),
        [Origin(key, key.replace("-", "_"), config.values[key]) for key in _keys(config)],
    )
    for row in rows:
        if len(row) > 1:
            raise UsageError(
                f"{' and '.join(origin.label for origin in row)} cannot be used together",
                hint="name one place for the password or key",
            )
        if row:
            return row[0]
    return None


KINDS = ("password_file", "password_command", "key_file")


def _of(values: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(kind, values[kind]) for kind in KINDS if kind in values]


def _keys(config: Config) -> list[str]:
    return [key for key in map(_key, KINDS) if key in config.values]


def _key(kind: str) -> str:
    return kind.replace("_", "-")


def _option(kind: str) -> str:
    return f"--{_key(kind)}"


def _variable(kind: str) -> str:
    return f"TWOFOLD_{kind.upper()}"


def ask(question: str) -> Secret:
    """Ask on the terminal; ``UsageError`` naming the other ways when there is none."""
    import getpass

    _require_terminal()
    try:
        answer = getpass.getpass(f"{question}: ", stream=sys.stderr)
    except EOFError:
        raise UsageError("no password was given", hint=WAYS) from None
    return Secret(os.fsencode(answer))


def ask_twice(question: str) -> Secret:
    """Ask for a new password, and once more against typing errors."""
    first = ask(question)
    if not first.reveal():
        raise UsageError("an empty password protects nothing", hint="choose a password")
    if ask("The same once more") != first:
        raise UsageError("the two passwords differ", hint="nothing was done; try again")
    return first


def can_ask() -> bool:
    """Whether somebody sits at a terminal."""
    return _is_terminal(sys.stdin) and _is_terminal(sys.stderr)


def _is_terminal(stream: object) -> bool:
    try:
        return bool(stream) and stream.isatty()  # type: ignore[attr-defined]
    except ValueError:
        return False  # closed


def _require_terminal() -> None:
    if not can_ask():
        raise UsageError("a password is needed, and there is no terminal to ask on", hint=WAYS)


def _contents(place: str, what: str) -> bytes:
    try:
        with open(place, "rb") as file:
            data = file.read(LONGEST + 1)
    except OSError as error:
        raise UsageError(f"the {what} '{place}' cannot be read ({error.strerror})") from error
    if not data or len(data) > LONGEST:
        raise UsageError(f"the {what} '{place}' is {'too large' if data else 'empty'}")
    return data


def _first_line(data: bytes, label: str) -> Secret:
    line = _as_typed(data, label).split(b"\n", 1)[0].removesuffix(b"\r")
    if not line:
        raise UsageError(f"the password from {label} is empty")
    return Secret(line)


def _as_typed(data: bytes, label: str) -> bytes:
    """Without the marks that editors and shells of Windows begin a text with."""
    if not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-16").encode()
    except UnicodeError:
        raise UsageError(f"the password from {label} is no text in UTF-16, as it begins") from None


def _output(command: str | Sequence[str]) -> bytes:
    """What a command prints; it may use the terminal to ask for something itself."""
    import subprocess

    words = split(command) if isinstance(command, str) else list(command)
    if not words:
        raise UsageError("the password command is empty")
    environment = {k: v for k, v in os.environ.items() if k != PASSWORD_VARIABLE}
    try:
        outcome = subprocess.run(words, stdout=subprocess.PIPE, env=environment, check=False)
    except OSError as error:
        raise UsageError(
            f"the password command '{words[0]}' cannot be started ({error.strerror})"
        ) from error
    if outcome.returncode:
        raise UsageError(f"the password command '{words[0]}' failed (code {outcome.returncode})")
    return outcome.stdout[:LONGEST]


def split(command: str) -> list[str]:
    """Words of a command line; a backslash quotes, except where it separates folders."""
    import shlex

    windows = os.sep == "\\"
    try:
        words = shlex.split(command, posix=not windows)
    except ValueError as error:
        raise UsageError(f"the password command cannot be read ({error})") from error
    return [word.strip('"') for word in words] if windows else words
