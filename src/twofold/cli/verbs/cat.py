"""``twofold cat``: the content of one file, as it is."""

import sys

import click

from twofold.cli.render.output import Output
from twofold.cli.root import Verb
from twofold.cli.session import Session
from twofold.errors import UsageError


@click.command("cat", cls=Verb, listing=True)
@click.argument("address", metavar="BACKUP[:pN]:/PATH")
@click.pass_obj
def command(session: Session, address: str) -> int:
    """Write the content of one file to standard output.

    'latest:/home/u/notes.txt' is a file of a backup of files, 'latest:p2:/Users/u/notes.txt' one on
    partition 2 of an image. Of NTFS 'latest:p2:/a.txt:stream' is a further stream
    of a file. Content and records cannot share the output, so there is no --json.
    """
    from twofold.commands import cat

    if session.given("json"):
        raise UsageError(
            "cat writes the content itself: it has no room for records",
            hint="leave out --json, or use 'twofold restore --json'",
        )
    out = Output(sys.stdout, stop_when_closed=True)
    options = cat.CatOptions(access=session.access(), address=address, write=out.write_bytes)
    result = cat.run(options, session.emit)
    out.flush()
    return session.finish(result, (), result.exit_code)
