"""``twofold key``: the passwords, key files and recovery keys that open a repository."""

import os
import secrets
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from twofold.cli.given import Given
from twofold.cli.render.base import Line
from twofold.cli.render.words import columns, local_time
from twofold.cli.root import Verb, VerbGroup
from twofold.cli.session import Session
from twofold.cli.verbs.init import framed
from twofold.errors import NothingDone, UsageError
from twofold.options import Secret

if TYPE_CHECKING:
    from twofold.commands.key import KeyInfo, KeyListResult, RecoveryKitResult


@click.group("key", cls=VerbGroup)
def command() -> None:
    """List, add and remove keys; print a recovery kit.

    Every key opens everything. A removed key no longer opens this repository, but copies of the
    repository made before still open with it.
    """


@command.command("list", cls=Verb, listing=True)
@click.pass_obj
def list_keys(session: Session) -> int:
    """List the keys."""
    from twofold.commands import key

    result = key.list_keys(key.KeyListOptions(access=session.access()), session.emit)
    session.show(_table(result), result)
    return session.finish(result)


def _table(result: "KeyListResult") -> Iterator[str | Line]:
    rows = [("id", "kind", "", "label", "made")]
    for each in result.keys:
        made = local_time(each.created_ns) if each.created_ns else ""
        rows.append((each.short_id, each.kind, "in use" if each.in_use else "", each.label, made))
    head, *lines = columns(rows)
    yield Line(head, "bold")
    yield from lines
    yield from (Line(f"a key cannot be read: {each}", "yellow") for each in result.damaged)


@command.command("add", cls=Verb, writes=True)
@click.option("--label", default="", metavar="TEXT", help="A name for the new key.")
@click.option("--new-password-file", metavar="FILE", help="The new password is in this file.")
@click.option("--new-password-command", metavar="COMMAND", help="Prints the new password.")
@click.option(
    "--new-key-file",
    metavar="FILE",
    help="Add a key file; it is made of random bytes unless it exists.",
)
@click.pass_obj
def add(
    session: Session,
    label: str,
    new_password_file: str | None,
    new_password_command: str | None,
    new_key_file: str | None,
) -> int:
    """Add a password or a key file.

    Without options the new password is asked for on the terminal.
    """
    from twofold.commands import key

    places = Given.of(
        password_file=new_password_file,
        password_command=new_password_command,
        key_file=new_key_file,
    )
    options = key.KeyAddOptions(
        access=session.access(),
        new_secret=_new_secret(session, places),
        label=label,
        dry_run=session.dry_run,
    )
    result = key.add(options, session.emit)
    done = f"added {result.kind} {result.key.hex()[:8]}"
    session.show([f"would add a {result.kind}" if result.dry_run else done])
    return session.finish(result)


def _new_secret(session: Session, places: Given) -> Callable[[], Secret]:
    def secret() -> Secret:
        path = places("key_file")
        if path and not os.path.exists(path):
            return make_key_file(path, write=not session.dry_run)
        return session.new_secret(places)

    return secret


def make_key_file(path: str, *, write: bool) -> Secret:
    """32 random bytes, in a file that only its owner may read."""
    contents = secrets.token_bytes(32)
    if write:
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(file, "wb") as stream:
                stream.write(contents)
                stream.flush()
                os.fsync(file)
        except OSError as error:
            raise UsageError(f"the key file '{path}' cannot be made ({error.strerror})") from error
    return Secret(contents, is_key_file=True)


@command.command("remove", cls=Verb, writes=True)
@click.argument("key_id", metavar="ID")
@click.pass_obj
def remove(session: Session, key_id: str) -> int:
    """Remove a key, named by its id or the beginning of it. The last one stays."""
    from twofold.commands import key

    def confirm(which: "KeyInfo") -> bool:
        named = f"{which.kind} {which.short_id}" + (", the one in use" if which.in_use else "")
        return session.confirm(
            f"Remove {named}?", otherwise=f"removing {named} needs somebody to confirm it"
        )

    options = key.KeyRemoveOptions(
        access=session.access(), key=key_id, confirm=confirm, dry_run=session.dry_run
    )
    result = key.remove(options, session.emit)
    named = f"{result.key.kind} {result.key.short_id}"
    if not result.removed and not result.dry_run:
        session.result = result
        raise NothingDone(f"kept {named}: the answer was no")
    session.show([f"would remove {named}" if result.dry_run else f"removed {named}"])
    return session.finish(result)


@command.command("recovery-kit", cls=Verb, writes=True)
@click.option(
    "--label", default="recovery key", metavar="TEXT", help="A name for the new recovery key."
)
@click.pass_obj
def recovery_kit(session: Session, label: str) -> int:
    """Make a new recovery key and print the page to keep with it.

    Recovery keys made before stay valid until they are removed.
    """
    from twofold.commands import key

    options = key.RecoveryKitOptions(access=session.access(), label=label, dry_run=session.dry_run)
    result = key.recovery_kit(options, session.emit)
    session.show(_kit(result))
    return session.finish(result)


def _kit(result: "RecoveryKitResult") -> Iterator[str | Line]:
    if result.dry_run:
        yield "would make a new recovery key"
        return
    yield Line("TWOFOLD RECOVERY KIT", "bold")
    yield ""
    yield f"Repository   {result.location}"
    yield f"Its id       {result.repository.hex()}"
    yield f"Key slot     {result.key.hex()[:8]}"
    yield ""
    yield from framed("Recovery key", result.recovery_key)
    yield ""
    yield "To bring files back on any computer with Python 3.11 or newer:"
    yield "  1. Connect the drive that holds the repository and install Twofold."
    yield "  2. twofold --repo PLACE snapshots"
    yield "     Asked for the password, type the recovery key; capitals and dashes do not matter."
    yield "  3. twofold --repo PLACE restore latest --to FOLDER"
    yield ""
    yield "Whoever has this page and the drive can read everything: keep them apart."
    yield "This key is shown only now. Keys made before stay valid: see 'twofold key list'."
