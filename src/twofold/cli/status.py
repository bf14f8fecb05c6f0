"""``twofold`` without a verb: how things stand in a sentence, and what to do next.

Nobody is asked for a password here; without one at hand it says what it cannot know.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from twofold import clock
from twofold.cli.render.words import ago, local_time, things
from twofold.cli.session import Session

if TYPE_CHECKING:
    from twofold.commands.snapshots import SnapshotInfo


class Status(msgspec.Struct, frozen=True):
    """What is known: None where it is not."""

    location: str | None
    unlocked: bool
    backups: int | None
    newest_id: bytes | None
    newest_time_ns: int | None


def show(session: Session) -> int:
    """Tell the status."""
    location = session.setting("repo")
    if not location:
        session.show(_start())
        return session.finish(Status(None, False, None, None, None))
    if session.known_secret() is None:
        session.show(_locked(location))
        return session.finish(Status(location, False, None, None, None))
    from twofold.commands import snapshots

    found = snapshots.run(snapshots.SnapshotsOptions(access=session.access()), session.emit)
    newest = found.snapshots[-1] if found.snapshots else None
    session.show(_known(location, len(found.snapshots), newest))
    ident, time = (newest.id, newest.end_ns or newest.time_ns) if newest else (None, None)
    return session.finish(Status(location, True, len(found.snapshots), ident, time))


def _start() -> Iterator[str]:
    yield "Nothing is backed up yet: no repository is set up."
    yield ""
    yield "To start:"
    yield "  twofold init PLACE                      makes an encrypted repository in a new folder,"
    yield "                                          best on a drive that can be taken away"
    yield "  twofold --repo PLACE backup FOLDER...   makes the first backup"
    yield "The variable TWOFOLD_REPO, or 'repo' in the configuration file, saves typing PLACE."


def _locked(location: str) -> Iterator[str]:
    yield f"The repository is {location}; without its password nothing more can be told here."
    yield ""
    yield "Next:"
    yield "  twofold snapshots        lists the backups; it asks for the password"
    yield "  twofold backup PATH...   makes one"


def _known(location: str, count: int, newest: "SnapshotInfo | None") -> Iterator[str]:
    if newest is None:
        yield f"The repository {location} is there and opens, but holds no backup yet."
        yield ""
        yield "Next:"
        yield "  twofold backup PATH...   makes the first one"
        return
    made = newest.end_ns or newest.time_ns
    when = f"{ago((clock.now_ns() - made) / 1e9)} ({local_time(made)})"
    where = f" of {newest.host}" if newest.host else ""
    yield f"The newest backup{where} was made {when}; {location} holds {things(count, 'backup')}."
    if newest.failed:
        yield f"{things(newest.failed, 'entry', 'entries')} could not be read for it."
    yield ""
    yield "Next:"
    yield "  twofold backup PATH...             makes another one"
    yield "  twofold ls latest                  shows what is in it"
    yield "  twofold restore latest --to DIR    brings it back"
    yield "  twofold check --read-data          proves that all of it can be read"
