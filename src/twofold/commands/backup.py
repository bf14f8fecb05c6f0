"""Back up files and folders into a new snapshot.

Exit code 0 when every entry met is in the snapshot (or excluded by rule), 3 when some could not be
read: the snapshot exists then, and its ledger names them.
"""

import os
import sys
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from twofold import clock
from twofold.archiver import (
    BackupRequest,
    RuleOptions,
    absolute,
    asks_for_target,
    backup,
    backup_stream,
    covers,
    with_target,
)
from twofold.commands.access import open_at, own_folder, remember_head, tell_missing_heads
from twofold.errors import INCOMPLETE, NothingDone, UsageError
from twofold.events import Emit, Finding, Notice, Severity
from twofold.gitignore import lines_of
from twofold.options import Options, RepositoryAccess
from twofold.pipeline import Outcome
from twofold.platform import current
from twofold.repository import Repository


class BackupOptions(Options, frozen=True, kw_only=True):
    """What to back up. No paths: the personal folders of the current user.

    ``files_from`` names a file with one path per line (``files_from0``: NUL-separated), ``-`` for
    standard input. ``stdin_name`` stores standard input as one file of this name instead.
    """

    access: RepositoryAccess
    paths: tuple[bytes, ...] = ()
    name: str = ""
    tags: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    exclude_from: tuple[str, ...] = ()
    exclude_if_present: tuple[str, ...] = ()
    exclude_larger_than: int | None = None
    exclude_caches: bool = False
    one_file_system: bool = False
    files_from: str | None = None
    files_from0: str | None = None
    stdin_name: str | None = None
    force: bool = False
    host: str = ""
    dry_run: bool = False
    partial_seconds: float = 600.0


class BackupResult(msgspec.Struct, frozen=True):
    """What came of a backup; sizes in bytes, ``snapshot`` None for a dry run."""

    exit_code: int
    snapshot: bytes | None
    parent: bytes | None
    stored: int
    unchanged: int
    excluded: int
    failed: int
    vanished: int
    directories: int
    bytes_total: int
    bytes_read: int
    bytes_stored: int
    blobs_new: int
    seconds: float
    dry_run: bool


def run(options: BackupOptions, emit: Emit) -> BackupResult:
    """Make the snapshot."""
    started = clock.monotonic()
    with open_at(options.access, emit) as repository:
        tell_missing_heads(repository)
        if options.stdin_name is not None:
            outcome = _stream(options, repository, emit)
        else:
            request = _request(options, repository)
            _tell_bare_links(options.paths, request.sources, emit)
            outcome = backup(repository, current(), request, emit)
        if not outcome.root.totals.files:
            emit(Notice("the backup holds no file: check the folders named and what is excluded"))
        if outcome.snapshot is not None:
            remember_head(repository, outcome.snapshot, emit)
    return _result(outcome, options.dry_run, clock.monotonic() - started)


def _stream(options: BackupOptions, repository: Repository, emit: Emit) -> Outcome:
    if options.paths or options.files_from or options.files_from0:
        raise UsageError("standard input cannot be backed up together with paths")
    name = os.fsencode(options.stdin_name or "")
    request = _with_sources(options, (b"/" + name,), repository)
    return backup_stream(repository, current(), request, _standard_input(), name, emit)


def _request(options: BackupOptions, repository: Repository) -> BackupRequest:
    named = options.paths or options.files_from is not None or options.files_from0 is not None
    sources = set(_sources(options)) if named else set(_personal())
    if not sources:
        raise NothingDone("nothing to back up: no path given, no personal folders found")
    return _with_sources(options, tuple(sorted(sources)), repository)


def _sources(options: BackupOptions) -> Iterator[bytes]:
    for path in options.paths:
        yield from with_target(path) if asks_for_target(path) else [absolute(path)]
    for path in _listed(options):
        yield absolute(path)  # a list may name every link there is


def _personal() -> Iterator[bytes]:
    """The user's folders, also those that were moved elsewhere and are links here."""
    for path in current().personal_folders():
        yield from with_target(path)


def _tell_bare_links(named: tuple[bytes, ...], sources: tuple[bytes, ...], emit: Emit) -> None:
    """Who names a link may mean what is behind it, of which nothing would be stored."""
    known = frozenset(sources)
    for path in named:
        link, *target = with_target(path)
        if target and not covers(known, target[0]):
            message = "it is a link: where it leads is stored, and nothing of what is there"
            remedy = f"to back that up too, name '{os.fsdecode(target[0])}'"
            emit(Finding(Severity.WARNING, os.fsdecode(link), message, remedy))


def _with_sources(
    options: BackupOptions, sources: tuple[bytes, ...], repository: Repository
) -> BackupRequest:
    rules = RuleOptions(
        patterns=(*_pattern_files(options.exclude_from), *options.exclude),
        if_present=tuple(os.fsencode(name) for name in options.exclude_if_present),
        larger_than=options.exclude_larger_than,
        caches=options.exclude_caches,
        one_file_system=options.one_file_system,
        never=_never(repository),
    )
    return BackupRequest(
        sources=sources,
        rules=rules,
        name=options.name,
        tags=options.tags,
        host=options.host,
        force=options.force,
        dry_run=options.dry_run,
        partial_seconds=options.partial_seconds,
        own_folder=own_folder(repository),
    )


def _never(repository: Repository) -> tuple[bytes, ...]:
    """A repository never backs up itself."""
    folder = own_folder(repository)
    return () if folder is None else (os.path.realpath(folder),)


def _listed(options: BackupOptions) -> Iterator[bytes]:
    for source, separator in ((options.files_from, b"\n"), (options.files_from0, b"\0")):
        if source is not None:
            for path in _read(source).split(separator):
                if b"\0" in path:
                    raise UsageError(
                        f"a path in '{source}' holds a zero byte",
                        hint="--files-from0 takes lists in which such bytes end the paths",
                    )
                if path.strip(b"\r\n"):
                    yield path.rstrip(b"\r") if separator == b"\n" else path


def _pattern_files(files: tuple[str, ...]) -> Iterator[str]:
    for file in files:
        yield from lines_of(os.fsdecode(_read(file)))


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise UsageError("there is no standard input: whoever started this has closed it")
    return sys.stdin.buffer


def _read(file: str) -> bytes:
    try:
        if file == "-":
            return _standard_input().read()
        with open(file, "rb") as source:
            return source.read()
    except OSError as error:
        raise UsageError(f"'{file}' cannot be read: {error.strerror}") from error


def _result(outcome: Outcome, dry_run: bool, seconds: float) -> BackupResult:
    root = outcome.root
    counts = root.counts
    return BackupResult(
        exit_code=0 if outcome.complete else INCOMPLETE,
        snapshot=outcome.snapshot.id if outcome.snapshot else None,
        parent=root.parent,
        stored=counts.get("stored", 0),
        unchanged=counts.get("unchanged", 0),
        excluded=counts.get("excluded", 0),
        failed=counts.get("failed", 0),
        vanished=counts.get("vanished", 0),
        directories=root.totals.directories,
        bytes_total=root.bytes_total,
        bytes_read=root.bytes_read,
        bytes_stored=root.bytes_stored,
        blobs_new=outcome.blobs_new,
        seconds=seconds,
        dry_run=dry_run,
    )
