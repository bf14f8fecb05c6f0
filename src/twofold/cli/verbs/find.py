"""``twofold find``: in which backups something is, by its name."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from twofold.cli import types
from twofold.cli.render.words import local_time, printable, size, things
from twofold.cli.root import Verb
from twofold.cli.session import Session
from twofold.errors import UsageError

if TYPE_CHECKING:
    from twofold.commands.find import FindResult, FoundEntry
    from twofold.view import Filter


@click.command("find", cls=Verb, listing=True)
@click.argument("patterns", metavar="PATTERN...", nargs=-1, required=True, type=types.path)
@click.option(
    "--snapshot",
    "snapshots",
    metavar="BACKUP",
    multiple=True,
    allow_from_autoenv=False,
    help="Only in this one, which may name a folder as well: latest:/home, latest:p2:/Users. "
    "Otherwise in all.",
)
@click.option(
    "--host", metavar="NAME", allow_from_autoenv=False, help="Only backups of this computer."
)
@click.option("--newer", metavar="WHEN", allow_from_autoenv=False, help="Changed then or later.")
@click.option("--older", metavar="WHEN", allow_from_autoenv=False, help="Changed before.")
@click.option(
    "--size",
    "sizes",
    metavar="RANGE",
    allow_from_autoenv=False,
    help="Only files of this size: +10M at least, -10M at most, 1M..10M between.",
)
@click.option(
    "--type",
    "kinds",
    type=click.Choice(["f", "d", "l"]),
    multiple=True,
    allow_from_autoenv=False,
    help="Only files (f), folders (d), symbolic links (l).",
)
@click.option("-i", "--ignore-case", is_flag=True, help="Capitals make no difference.")
@click.option(
    "-a",
    "--every",
    is_flag=True,
    help="Every backup that holds it, not only the newest with each version of it.",
)
@click.pass_obj
def command(session: Session, /, **chosen: Any) -> int:  # noqa: ANN401 (one per option above)
    """Find files and folders by name in all backups, newest first.

    A PATTERN without a slash is a name: notes.txt, '*.txt'. One with slashes is the end of a path
    ('docs/*.txt') or, beginning with one, all of it ('/home/**/*.txt', where ** is any number of
    folders). Images are searched too, on every partition with a file system that is understood.

    What is shown can be given to ls, cat and restore, and names to find as well, with the escapes
    that stand for what cannot be shown ('caf\\xe9*'). WHEN is 2026-11-01, 2026-11-01T12:30 or an
    age: 12h, 3d, 2w.
    """
    from twofold.commands import find

    options = find.FindOptions(
        access=session.access(),
        patterns=chosen["patterns"],
        found=_shower(session, every=chosen["every"]),
        snapshots=tuple(each for each in chosen["snapshots"] if each != "all"),
        host=chosen["host"],
        conditions=_conditions(chosen),
        ignore_case=chosen["ignore_case"],
    )
    result = find.run(options, session.emit)
    closing = _closing(result, chosen["patterns"], every=chosen["every"])
    return session.finish(result, closing, result.exit_code)


def _conditions(chosen: dict[str, Any]) -> "Filter":
    from twofold import clock
    from twofold.view.filters import KINDS, Filter, parse_moment, parse_sizes

    now = clock.now_ns()
    newer, older = chosen["newer"], chosen["older"]
    least, most = parse_sizes(chosen["sizes"]) if chosen["sizes"] else (None, None)
    if least is not None and most is not None and least > most:
        raise UsageError(f"no file is of size {chosen['sizes']}")
    return Filter(
        kinds=frozenset(KINDS[each] for each in chosen["kinds"]),
        newer_ns=parse_moment(newer, now) if newer else None,
        older_ns=parse_moment(older, now) if older else None,
        least=least,
        most=most,
    )


def _shower(session: Session, *, every: bool) -> "Callable[[FoundEntry], None]":
    """Programs get every entry; people get each version once, unless they ask for more."""

    def show(entry: "FoundEntry") -> None:
        if entry.again and not every:
            session.note_item("found", entry)
        else:
            session.show_item("found", entry, _line(entry))

    return show


def _line(entry: "FoundEntry") -> str:
    amount = size(entry.size) if entry.kind == "file" else entry.kind
    name = printable(entry.address) + ("/" if entry.kind == "directory" else "")
    more = f" -> {printable(entry.target)}" if entry.target else ""
    return f"{amount:>9}  {local_time(entry.mtime_ns)}  {name}{more}"


def _closing(result: "FindResult", patterns: tuple[bytes, ...], *, every: bool) -> Iterator[str]:
    from twofold.view.patterns import has_magic

    searched = things(result.snapshots, "backup")
    if not result.entries:
        yield f"nothing found in {searched}"
        if not any(map(has_magic, patterns)):
            yield f"  '*{printable(patterns[0])}*' would also find it as part of a name"
        return
    yield f"{result.entries if every else result.versions:,} found in {searched}"
    if result.entries > result.versions and not every:
        more = result.entries - result.versions
        yield f"  --every also shows the same in older backups, {more:,} more"
