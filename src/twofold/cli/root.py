"""The ``twofold`` command: a table of verbs, each loaded only when it is the one.

Every option of every verb can also be given as a variable TWOFOLD_<OPTION>, except those whose
meaning belongs to one deed only: where a restore goes and what it leaves out.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from twofold import __version__
from twofold.cli.given import global_options
from twofold.cli.run import Run

if TYPE_CHECKING:
    from twofold.cli.session import Session

SETTINGS: dict[str, Any] = {
    "auto_envvar_prefix": "TWOFOLD",
    "help_option_names": ["-h", "--help"],
    "max_content_width": 100,
}

VERBS = {
    "init": "Make a new repository.",
    "backup": "Back up files and folders.",
    "image": "Make an image of a disk.",
    "snapshots": "List the backups in the repository.",
    "ls": "List what is inside a backup.",
    "stats": "Show what takes room, what a backup is made of and what grew.",
    "find": "Find files and folders by name in all backups.",
    "versions": "Show all versions of one file, and how to bring each back.",
    "diff": "Show what differs between two backups.",
    "cat": "Write the content of one file to standard output.",
    "restore": "Bring files back out of a backup.",
    "restore-disk": "Write an image onto a disk, whole or one partition of it.",
    "export": "Write an image as a file for virtual machines and other programs.",
    "import": "Take over disk images and backups of other programs.",
    "check": "Prove that the repository is whole.",
    "key": "List, add and remove keys; print a recovery kit.",
    "version": "Show versions, and the schema of --json.",
}
ALIASES = {"list": "snapshots"}
_MODULES = {"import": "import_image"}
"""Where a verb is declared whose name no module can have."""

_COMMON: dict[str, Any] = {
    "context_settings": SETTINGS,
    "epilog": "Global options (see 'twofold --help') may stand before or after the verb.",
}


class Verb(click.Command):
    """A command that takes the global options and tells the session when it begins.

    ``writes`` shows --dry-run in its help; a ``listing`` may stop when its reader has gone. What
    ``opens`` a repository may begin with that while the rest of the verb is loaded.
    """

    def __init__(
        self,
        name: str,
        writes: bool = False,
        listing: bool = False,
        opens: bool = True,
        **settings: Any,  # noqa: ANN401 (click's own)
    ) -> None:
        super().__init__(name, **_COMMON, **settings)
        self._listing = listing
        self._opens = opens
        self.params += global_options(hidden=True, show=("dry-run",) if writes else ())

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 (click's own)
        """Begin, then run."""
        session = begun(ctx, full_name(ctx), listing=self._listing)
        if self._opens:
            session.unlock_ahead()
        return super().invoke(ctx)


class VerbGroup(click.Group):
    """Verbs of a second word, as in ``twofold key list``; takes the global options too."""

    def __init__(self, name: str, **settings: Any) -> None:  # noqa: ANN401 (click's own)
        super().__init__(name, no_args_is_help=False, **_COMMON, **settings)
        self.params += global_options(hidden=True)


def begun(ctx: click.Context, verb: str, *, listing: bool = False) -> "Session":
    """The session, with the verb begun; from here on it is what verbs are passed."""
    run = ctx.find_root().obj
    assert isinstance(run, Run)
    run.session.begin(verb, listing=listing)
    ctx.obj = run.session
    return run.session


def full_name(ctx: click.Context | None) -> str:
    """The verb as it is really called, whatever alias was used; empty for none."""
    names: list[str] = []
    while ctx is not None and ctx.parent is not None:
        names.insert(0, ctx.command.name or "")
        ctx = ctx.parent
    return " ".join(names)


class Root(click.Group):
    """Loads a verb's module when the verb is asked for; lists all of them without loading any."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs, in the order of use."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The declaration of a verb."""
        del ctx
        name = ALIASES.get(cmd_name, cmd_name)
        if name not in VERBS:
            return None
        module = _MODULES.get(name, name.replace("-", "_"))
        command = import_module(f"twofold.cli.verbs.{module}").command
        assert isinstance(command, click.Command)
        return command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs before the options: they are what people look for."""
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs with a sentence each."""
        del ctx
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(
    cls=Root,
    name="twofold",
    params=list(global_options(hidden=False)),
    invoke_without_command=True,
    context_settings=SETTINGS,
    subcommand_metavar="[VERB [WORDS]...]",
    epilog="Without a verb: what is set up, and what to do next. "
    "Every option can also be given as a variable: TWOFOLD_REPO for --repo. "
    "'twofold VERB --help' explains a verb.",
)
@click.version_option(__version__, prog_name="twofold", message="%(prog)s %(version)s")
@click.pass_context
def root(ctx: click.Context) -> int:
    """Back up files into a deduplicated, encrypted repository, and bring them back."""
    if ctx.invoked_subcommand is not None:
        return 0
    from twofold.cli import status

    return status.show(begun(ctx, "status"))
