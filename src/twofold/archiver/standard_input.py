"""Backing up a stream: what a pipe delivers becomes one file of a snapshot."""

import stat
from typing import BinaryIO

from twofold import clock
from twofold.archiver.archiver import BackupRequest, contents
from twofold.archiver.directory import Closed
from twofold.archiver.nodes import FAILED, NodeMaker, flagged, record_of
from twofold.archiver.reading import LARGE_BUFFER, FileJob, FileReader
from twofold.archiver.rules import Rules
from twofold.chunker import StreamCutter
from twofold.errors import TwofoldError, UsageError
from twofold.events import Emit, Phase, Progress
from twofold.pipeline import ListingWriter, NodeWriter, Outcome, Parts, Run, write_segments
from twofold.platform import Entry, Extras, Platform
from twofold.repository import Repository

_MODE = stat.S_IFREG | 0o600


def backup_stream(
    repository: Repository,
    platform: Platform,
    request: BackupRequest,
    stream: BinaryIO,
    name: bytes,
    emit: Emit,
) -> Outcome:
    """Store everything ``stream`` gives as the file ``/name``. ``TwofoldError`` if it fails."""
    if not name or b"/" in name or b"\0" in name or name in (b".", b".."):
        raise UsageError(f"{name!r} cannot be the name of a file")
    with Run.begin(repository, platform, request.spec, emit) as run:
        rules = Rules(request.rules)
        emit(Phase("backing up"))
        job = _read(run, stream, name, emit)
        run.flow.settle()
        closed = _close(run, repository, platform, job, name)
        run.ledger.stored(b"/" + name, job.size)
        run.ledger.bytes_read = job.size
        return run.commit(run.root(contents(closed, rules)))


def _read(run: Run, stream: BinaryIO, name: bytes, emit: Emit) -> FileJob:
    reader = FileReader(run.flow, run.chunker)
    cutter, parts = StreamCutter(run.chunker), Parts()
    rest = b""
    final = False
    while not final:
        lease = reader.take_large()
        try:
            have = len(rest)
            lease.view[:have] = rest
            while have < LARGE_BUFFER and (count := _next(stream, lease.view[have:])):
                have += count
            final = have < LARGE_BUFFER
            pieces, used = cutter.split(lease.view[:have], final=final)
            rest = bytes(lease.view[used:have])
            reader.send(lease, pieces, parts)
        finally:
            lease.release()
        emit(Progress(parts.size, 0, b"/" + name))
    job = FileJob()
    job.settle(parts)
    return job


def _next(stream: BinaryIO, view: memoryview) -> int:
    """Read what there is, at most so much; 0 at the end."""
    try:
        return stream.readinto(view)  # type: ignore[attr-defined, no-any-return]
    except OSError as error:
        raise TwofoldError(f"standard input cannot be read: {error.strerror}") from error


def _close(
    run: Run, repository: Repository, platform: Platform, job: FileJob, name: bytes
) -> Closed:
    """A root directory that holds the one file. Its record proves nothing next time."""
    save, key = run.flow.save_page, repository.keys.dedup.page
    now = clock.now_ns()
    entry = Entry(0, job.size, now, now, _MODE, 0, 0, 1, 0, name)
    content, ref = write_segments(save, job.parts)
    maker = NodeMaker(platform)
    nodes, listing = NodeWriter(save, key), ListingWriter(save, key, 0)
    node = maker.node(name, entry, Extras(), size=job.size, content=content, ref=ref)
    nodes.add(node, maker.owner(entry))
    listing.add(flagged(record_of(name, entry), FAILED), name, None, job.size)
    return Closed(listing.finish(), nodes.finish())
