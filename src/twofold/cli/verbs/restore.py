"""``twofold restore``: files out of a backup, after showing what that would do."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from twofold.cli import types
from twofold.cli.render.base import Line
from twofold.cli.render.words import duration, printable, size, things
from twofold.cli.root import Verb
from twofold.cli.session import Session
from twofold.errors import NoSpace, NothingDone

if TYPE_CHECKING:
    from twofold.commands.restore import RestoreResult
    from twofold.restorer import RestorePlan


@click.command("restore", cls=Verb, writes=True)
@click.argument("backup", metavar="BACKUP[:pN][:/PATH]")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=types.path)
@click.option(
    "--to",
    metavar="FOLDER",
    required=True,
    type=types.path,
    help="Where to; the folder is made if it does not exist.",
)
@click.option(
    "--existing",
    type=click.Choice(["keep", "replace", "skip"]),
    default="keep",
    show_default=True,
    help="What happens to files in the way: keep moves them aside, replace overwrites them, skip "
    "leaves them as they are.",
)
@click.option("--no-owner", is_flag=True, help="Everything shall belong to the current user.")
@click.option("--verify", is_flag=True, help="Read back what was written and compare.")
@click.option(
    "--include",
    metavar="PATTERN",
    multiple=True,
    allow_from_autoenv=False,
    help="Only what matches, written as in a .gitignore file.",
)
@click.option(
    "--exclude",
    metavar="PATTERN",
    multiple=True,
    allow_from_autoenv=False,
    help="Leave out what matches.",
)
@click.pass_obj
def command(session: Session, /, **chosen: Any) -> int:  # noqa: ANN401 (one per option above)
    """Bring files back out of a backup.

    'latest:/home/u/docs' puts what that folder holds right into FOLDER; 'latest' puts everything
    there with its whole path. 'latest:p2:/Users' takes files out of partition 2 of an image.
    Nothing is ever deleted.
    """
    from twofold.commands import restore

    target, existing = chosen["to"], chosen["existing"]
    options = restore.RestoreOptions(
        access=session.access(),
        snapshot=chosen["backup"],
        target=target,
        paths=chosen["paths"],
        existing=existing,
        owner=not chosen["no_owner"],
        verify=chosen["verify"],
        dry_run=session.dry_run,
        include=chosen["include"],
        exclude=chosen["exclude"],
        confirm=_confirmer(session, target, existing),
    )
    result = restore.run(options, session.emit)
    if result.dry_run:
        session.show(plan_lines(result.plan, target))
    elif not result.written:
        session.result = result
        raise NothingDone("nothing was restored: the answer was no")
    return session.finish(result, _closing(result), result.exit_code)


def _confirmer(session: Session, to: bytes, existing: str) -> Callable[["RestorePlan"], bool]:
    """Shows the plan; asks only if it replaces something or seems not to fit."""

    def confirm(plan: "RestorePlan") -> bool:
        question = _question(plan, existing)
        lines = plan_lines(plan, to)
        session.show(lines) if question and session.may_ask else session.tell(lines)
        if not plan.fits and not session.may_ask:
            need, free = size(plan.bytes_needed), size(plan.bytes_free)
            raise NoSpace(f"the restore needs {need}, and {printable(to)} has {free} free")
        if not question or (plan.fits and existing == "keep" and not session.may_ask):
            return True
        return session.confirm(question, otherwise=f"{printable(to)} would lose entries for good")

    return confirm


def _question(plan: "RestorePlan", existing: str) -> str:
    """What must be answered before going on; empty when nothing must."""
    if not plan.fits:
        return "There seems to be too little room. Try nevertheless?"
    replaced = plan.replaced + plan.conflicts
    how = "and keep the old ones aside" if existing == "keep" else "for good"
    return f"Replace {things(replaced, 'entry', 'entries')} {how}?" if replaced else ""


def plan_lines(plan: "RestorePlan", to: bytes) -> Iterator[str | Line]:
    """What a restore would do."""
    yield (
        f"{_files_and_folders(plan.new)} new, {plan.replaced + plan.conflicts:,} replaced, "
        f"{plan.unchanged + plan.metadata:,} unchanged, {plan.deleted:,} deleted; "
        f"{size(plan.bytes_needed)} to write into {printable(to)}"
    )
    if plan.metadata:
        yield f"  of the unchanged, {plan.metadata:,} get their time, rights or owner back"
    if plan.kept:
        yield f"  {plan.kept:,} in the way are left as they are"
    if plan.failed:
        yield Line(f"  {plan.failed:,} cannot be written here", "yellow")
    yield from (Line(f"  note: {note}", "yellow") for note in plan.notes)


def _files_and_folders(number: int) -> str:
    return things(number, "file or folder", "files and folders")


def _closing(result: "RestoreResult") -> Iterator[str | Line]:
    if not result.written:
        yield "dry run: nothing was written"
        return
    done = result.new + result.replaced + result.conflicts
    if not done + result.metadata + result.failed + result.damaged:
        yield "nothing to do: everything is there already"
        return
    amount = f"{_files_and_folders(done)}, {size(result.bytes_written)}"
    yield Line(f"restored {amount} in {duration(result.seconds)}", "bold")
    if result.aside:
        yield f"  what was in the way is kept in {printable(result.aside.path)}"
    for loss in result.losses:
        yield Line(f"  {things(loss.entries, 'entry', 'entries')}: {loss.words}", "yellow")
    if result.failed:
        yield Line(f"  {result.failed:,} could not be written", "red")
    if result.damaged:
        yield Line(
            f"  {result.damaged:,} could not be had: what is stored of them is damaged", "red"
        )
    if result.lacking:
        yield Line(f"  {result.lacking:,} have zeros where the backup holds nothing", "yellow")
