"""``twofold init``: a new repository, and the recovery key, shown once."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from twofold.cli.given import Given
from twofold.cli.render.base import Line
from twofold.cli.root import Verb
from twofold.cli.session import Session
from twofold.errors import UsageError

if TYPE_CHECKING:
    from twofold.commands.init import InitResult


@click.command("init", cls=Verb, writes=True, opens=False)
@click.argument("place", metavar="[REPO]", required=False)
@click.option("--label", default="", metavar="TEXT", help="A name for the password or key file.")
@click.option(
    "--pair-with",
    metavar="REPO",
    help="Cut and name data as this other repository does, so that the two can copy from and "
    "heal each other.",
)
@click.option("--pair-password-file", metavar="FILE", help="The other repository's password.")
@click.option("--pair-password-command", metavar="COMMAND", help="Prints that password.")
@click.option("--pair-key-file", metavar="FILE", help="The other repository's key file.")
@click.pass_obj
def command(
    session: Session,
    place: str | None,
    label: str,
    pair_with: str | None,
    pair_password_file: str | None,
    pair_password_command: str | None,
    pair_key_file: str | None,
) -> int:
    """Make a new repository.

    REPO is a new or empty folder, on an external drive for example. The recovery key is printed
    once: it opens the repository when the password is lost.
    """
    from twofold.commands import init

    other = Given.of(
        password_file=pair_password_file,
        password_command=pair_password_command,
        key_file=pair_key_file,
    )
    pair = session.other_access(pair_with, other, pair_with) if pair_with else None
    options = init.InitOptions(
        access=session.new_access(_place(session, place)),
        pair_with=pair,
        label=label,
        dry_run=session.dry_run,
    )
    result = init.run(options, session.emit)
    session.show(_lines(result))
    return session.finish(result)


def _place(session: Session, place: str | None) -> str:
    elsewhere = session.given.command_line.get("repo")
    if place and elsewhere and place != elsewhere:
        raise UsageError(f"two places are named: '{place}' and '{elsewhere}'")
    return place or session.location()


def _lines(result: "InitResult") -> Iterator[str | Line]:
    if result.dry_run:
        yield f"would make a repository at {result.location}"
        return
    yield f"made repository {result.repository.hex()[:8]} at {result.location}"
    if result.paired_with:
        yield f"paired with {result.paired_with}: equal data gets equal names in both"
    yield ""
    yield from framed("Recovery key", result.recovery_key)
    yield ""
    yield "It opens this repository without the password, and this is the only time it is shown."
    yield "Print it or write it down, and keep it away from this computer."
    yield "Without password and recovery key nobody can ever read what is stored."


def framed(title: str, text: str) -> Iterator[Line]:
    """Something to be copied by hand, made hard to overlook."""
    inside = max(len(title), len(text)) + 4
    edge = f"  +{'-' * inside}+"
    yield Line(edge)
    yield Line(f"  |{title:^{inside}}|")
    yield Line(f"  |{text:^{inside}}|", "bold")
    yield Line(edge)
