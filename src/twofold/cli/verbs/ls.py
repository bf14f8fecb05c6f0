"""``twofold ls``: what is inside a backup."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from twofold.cli.render.words import local_time, printable, size, things
from twofold.cli.root import Verb
from twofold.cli.session import Session

if TYPE_CHECKING:
    from twofold.commands.ls import ListedEntry, ListedPartition, LsResult


@click.command("ls", cls=Verb, listing=True)
@click.argument("address", metavar="BACKUP[:pN[.NAME]][:/PATH]")
@click.option("-R", "--recursive", is_flag=True, help="Everything below, not only one level.")
@click.option("-l", "--long", is_flag=True, help="Permissions, owner, size and time as well.")
@click.pass_obj
def command(session: Session, address: str, recursive: bool, long: bool) -> int:
    """List what is inside a backup.

    BACKUP is latest, latest~2 (the second before it), @2026-11-01 (the last one up to that day) or
    the beginning of an id. Of an image its partitions are listed, and with latest:p2:/Users what
    a folder on partition 2 holds, or with latest:p3.root:/etc one on a logical volume.
    """
    from twofold.commands import ls

    options = ls.LsOptions(
        access=session.access(),
        address=address,
        found=_shower(session, _long_line if long else _line),
        partition=lambda each: session.show_item("partition", each, _partition_line(each)),
        recursive=recursive,
        long=long,
    )
    result = ls.run(options, session.emit)
    return session.finish(result, _closing(result), result.exit_code)


def _shower(
    session: Session, line: Callable[["ListedEntry"], str]
) -> Callable[["ListedEntry"], None]:
    def show(entry: "ListedEntry") -> None:
        session.show_item("node", entry, line(entry))

    return show


def _partition_line(each: "ListedPartition") -> str:
    """``p3  465 GiB  ntfs  Windows``: what is needed to name it and to know it."""
    label = printable(each.label or each.name)
    name = f"  p{each.part}" if each.parent else f"p{each.part:<4}"
    return f"{name} {size(each.size):>9}  {each.system or '-':8} {label}".rstrip()


def _line(entry: "ListedEntry") -> str:
    return printable(entry.path) + ("/" if entry.kind == "directory" else "")


LETTERS = {
    "directory": "d",
    "symlink": "l",
    "fifo": "p",
    "socket": "s",
    "character device": "c",
    "block device": "b",
}


def _long_line(entry: "ListedEntry") -> str:
    known = entry.uid >= 0  # FAT and NTFS keep no owners of this kind
    owner = f"{entry.user or entry.uid}:{entry.group or entry.gid}" if known else "-"
    amount = size(entry.size) if entry.kind == "file" else ""
    rights = LETTERS.get(entry.kind, "-") + permissions(entry.mode)
    more = f" -> {printable(entry.target)}" if entry.target else ""
    more += f" ({', '.join(entry.attributes)})" if entry.attributes else ""
    when = local_time(entry.mtime_ns)
    return f"{rights} {owner:17} {amount:>9} {when}  {_line(entry)}{more}"


def permissions(mode: int) -> str:
    """Nine letters, with those of set-id and sticky bits in their places."""
    letters = [letter if mode >> (8 - at) & 1 else "-" for at, letter in enumerate("rwxrwxrwx")]
    for bit, at, pair in ((0o4000, 2, "sS"), (0o2000, 5, "sS"), (0o1000, 8, "tT")):
        if mode & bit:
            letters[at] = pair[letters[at] == "-"]
    return "".join(letters)


def _closing(result: "LsResult") -> Iterator[str]:
    made = local_time(result.snapshot_time_ns)
    amount = f"{things(result.entries, 'entry', 'entries')}, {size(result.bytes_total)}"
    yield f"{amount} in backup {result.snapshot.hex()[:8]} of {made}"
