"""``twofold versions``: what one file was over time, and how to get each of it back."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from twofold.cli import types
from twofold.cli.render.base import Line
from twofold.cli.render.quoting import shell_word
from twofold.cli.render.words import columns, local_time, printable, size, things
from twofold.cli.root import Verb
from twofold.cli.session import Session

if TYPE_CHECKING:
    from twofold.commands.versions import VersionInfo, VersionsResult


@click.command("versions", cls=Verb, listing=True)
@click.argument("path", metavar="[BACKUP:][pN:]PATH", type=types.path)
@click.option(
    "--also",
    metavar="[pN:]PATH",
    multiple=True,
    type=types.path,
    allow_from_autoenv=False,
    help="The same file at another place: in images, or where it lay before.",
)
@click.option(
    "--host", metavar="NAME", allow_from_autoenv=False, help="Only backups of this computer."
)
@click.pass_obj
def command(session: Session, path: bytes, also: tuple[bytes, ...], host: str | None) -> int:
    """Show all versions of one file, and how to bring each back.

    The newest stand first. PATH is looked for in backups of files, pN:/PATH on partition N of
    images. Versions with the same content are marked, also if one comes from an image: --also
    p2:/home/u/notes.txt. A PATH without a slash in front is taken from the current folder. What
    find and ls show can be given as well: latest:/home/u/notes.txt, latest:p2:/home/u/notes.txt;
    the versions are those in all backups.
    """
    from twofold.commands import versions

    options = versions.VersionsOptions(
        access=session.access(), places=tuple(map(_placed, (path, *also))), host=host
    )
    result = versions.run(options, session.emit)
    session.show(_lines(result), result)
    return session.finish(result, _closing(result), result.exit_code)


def _placed(path: bytes) -> bytes:
    """A path of this computer from its top on; places in images as they are."""
    from twofold.commands.versions import is_inside
    from twofold.view import is_absolute

    return path if is_inside(path) or is_absolute(path) else os.path.abspath(path)


def _lines(result: "VersionsResult") -> Iterator[str | Line]:
    shown = list(reversed(result.versions))
    hosts = {each.host for each in shown}
    places = {(each.partition, each.path) for each in shown}
    rows = [_row(each, with_host=len(hosts) > 1, with_place=len(places) > 1) for each in shown]
    for row, each in zip(columns(rows, right=(0, 1)), shown, strict=True):
        yield Line(row, "bold")
        if each.kind != "directory" and not each.problem:
            yield Line(f"    twofold restore {shell_word(each.address)} --to restored", "dim")


def _row(each: "VersionInfo", *, with_host: bool, with_place: bool) -> tuple[str, ...]:
    where = f"on {each.host}" if with_host else ""
    if with_place and each.partition is not None:
        where = f"{where} p{each.partition}:{printable(each.path)}".strip()
    elif with_place:
        where = f"{where} {printable(each.path)}".strip()
    return (
        f"{each.number}",
        size(each.size) if each.kind == "file" else each.kind,
        f"changed {local_time(each.mtime_ns)}",
        _backups(each),
        "; ".join(filter(None, (where, *_remarks(each)))),
    )


def _backups(each: "VersionInfo") -> str:
    """Which backups hold it."""
    kind = "image" if each.snapshot_kind == "image" else "backup"
    first, last = local_time(each.first_seen_ns), local_time(each.last_seen_ns)
    count = things(len(each.snapshots), kind)
    return f"in {count}, {first}" + (f" to {last}" if len(each.snapshots) > 1 else "")


def _remarks(each: "VersionInfo") -> Iterator[str]:
    if each.same_as is not None:
        yield f"same content as {each.same_as}"
    if each.gone_ns is not None:
        yield f"gone in the next, {local_time(each.gone_ns)}"
    if each.problem:
        yield each.problem


def _closing(result: "VersionsResult") -> Iterator[str]:
    versions = things(len(result.versions), "version")
    contents = things(result.contents, "content")
    held = f"{result.snapshots_with:,} of {things(result.snapshots_searched, 'backup')}"
    yield f"{versions}, {contents} in {held}"
