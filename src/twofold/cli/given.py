"""The global options: usable before and after the verb, and remembered with where they came from.

The command line wins over the environment, which wins over the configuration file. Of the command
line, what stands behind the verb wins.
"""

from collections.abc import Iterator
from typing import Any

import click
from click.core import ParameterSource

from twofold.cli.types import size
from twofold.errors import UsageError


class Given:
    """Values of global options by where they were given."""

    def __init__(self) -> None:
        self.command_line: dict[str, Any] = {}
        self.environment: dict[str, Any] = {}

    @classmethod
    def of(cls, **values: str | None) -> "Given":
        """Options of a single verb that mean the same as global ones do elsewhere."""
        given = cls()
        given.command_line = {name: value for name, value in values.items() if value is not None}
        return given

    def note(self, name: str, value: object, source: ParameterSource | None) -> None:
        """Remember a value that somebody gave; defaults are nobody's."""
        if source is ParameterSource.COMMANDLINE:
            self.command_line[name] = value
        elif source is ParameterSource.ENVIRONMENT:
            self.environment[name] = value

    def __call__(self, name: str) -> Any:  # noqa: ANN401 (each option has its own type)
        """The value that wins, None when it was not given."""
        return self.command_line.get(name, self.environment.get(name))

    def verbosity(self) -> int:
        """-1 for quiet, or how many -v there are; the command line may undo a variable."""
        for level in (self.command_line, self.environment):
            quiet, verbose = level.get("quiet"), level.get("verbose")
            if quiet and verbose:
                raise UsageError("--quiet and --verbose cannot be used together")
            if quiet or verbose:
                return -1 if quiet else int(verbose or 0)
        return 0


class GlobalOption(click.Option):
    """An option that every verb takes and that is kept in ``Given``."""

    def __init__(self, *declarations: str, **settings: Any) -> None:  # noqa: ANN401 (click's own)
        super().__init__(declarations, expose_value=False, callback=_remember, **settings)


def _remember(ctx: click.Context, option: click.Parameter, value: object) -> object:
    given = getattr(ctx.find_root().obj, "given", None)
    if isinstance(given, Given) and option.name:
        given.note(option.name, value, ctx.get_parameter_source(option.name))
    return value


def global_options(*, hidden: bool, show: tuple[str, ...] = ()) -> Iterator[click.Option]:
    """Fresh global options; a verb hides them except those it names."""
    for declarations, settings in DECLARED:
        name = declarations[-1].lstrip("-")
        yield GlobalOption(*declarations, **settings, hidden=hidden and name not in show)


DECLARED: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (("-r", "--repo"), {"metavar": "REPO", "help": "The repository: a folder."}),
    (
        ("--password-file",),
        {"metavar": "FILE", "help": "Read the password from the first line of this file."},
    ),
    (
        ("--password-command",),
        {
            "metavar": "COMMAND",
            "help": "Read the password from the first line that this command prints. "
            "It is split into words; no shell is involved.",
        },
    ),
    (
        ("--key-file",),
        {"metavar": "FILE", "help": "Open the repository with this key file, not a password."},
    ),
    (
        ("-n", "--dry-run"),
        {"is_flag": True, "help": "Show what would be done, and write nothing."},
    ),
    (("--yes",), {"is_flag": True, "help": "Answer every question with yes."}),
    (
        ("--json",),
        {"is_flag": True, "help": "Print records for programs, one JSON object per line."},
    ),
    (("-q", "--quiet"), {"is_flag": True, "help": "Results, warnings and errors only."}),
    (
        ("-v", "--verbose"),
        {
            "count": True,
            "help": "Name what is stored or restored, one by one; -vv: also what is left out.",
        },
    ),
    (
        ("--progress",),
        {
            "type": click.Choice(["auto", "bar", "plain", "none"]),
            "help": "How to show progress on stderr; auto is a bar on a terminal, "
            "else a line every 30 seconds.",
        },
    ),
    (("--no-color",), {"is_flag": True, "help": "No colours, as with NO_COLOR."}),
    (
        ("--limit-upload",),
        {"type": size, "metavar": "SIZE", "help": "Store at most this much per second."},
    ),
    (
        ("--limit-download",),
        {"type": size, "metavar": "SIZE", "help": "Fetch at most this much per second."},
    ),
]
