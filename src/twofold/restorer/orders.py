"""What a process that writes files is told, and what it tells: records and their bytes.

An order names directories by their place in a list that begins with the target, and files by their
place in the order; a reply says of each file what became of it. Both are MessagePack.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

import msgspec

from twofold import errors
from twofold.errors import DamageFound, TwofoldError
from twofold.events import Finding
from twofold.format.pages import Node
from twofold.platform import Attributes
from twofold.restorer.compare import Decision
from twofold.restorer.directory import Directory
from twofold.restorer.jobs import FileJob
from twofold.restorer.report import Damaged, Done, Failed, Lacking, Record, Report, Written


class Step(msgspec.Struct, frozen=True, array_like=True):
    """A directory: its name, the place of the one above it, and its number."""

    name: bytes
    above: int
    serial: int


File = tuple[int, Node, Attributes, Decision]
"""A file to write: into the directory at a place, what it is, and what it is given."""


class Order(msgspec.Struct, frozen=True, array_like=True):
    """Files to write; all directories are there."""

    steps: list[Step]
    files: list[File]

    def jobs(self) -> list[FileJob]:
        """The same for those who write."""
        directories = [Directory(b"", None)]
        for step in self.steps:
            directories.append(directories[step.above].child(step.name, step.serial))
        jobs = []
        for number, (directory, node, attributes, decision) in enumerate(self.files):
            job = FileJob.of(directories[directory], node, attributes, decision, aside=False)
            job.number = number
            jobs.append(job)
        return jobs


def order_of(jobs: Sequence[FileJob]) -> Order:
    """An order to write some files."""
    places: dict[int, int] = {}
    steps: list[Step] = []
    files = []
    for job in jobs:
        at = places.get(job.directory.serial)
        if at is None:
            at = _place(job.directory, places, steps)
        files.append((at, job.node, job.attributes, job.decision))
    return Order(steps, files)


def _place(directory: Directory, places: dict[int, int], steps: list[Step]) -> int:
    """The place of a directory; it and what leads to it are put where they are not yet."""
    way = []
    at = 0
    for step in directory.upwards():
        known = places.get(step.serial)
        if known is not None:
            at = known
            break
        way.append(step)
    for step in reversed(way):
        steps.append(Step(step.name, at, step.serial))
        at = places[step.serial] = len(steps)
    return at


class Stop(msgspec.Struct, frozen=True, array_like=True):
    """An error that ends the run: by the name of its class in ``errors``, or its number."""

    name: str
    message: str
    hint: str = ""
    number: int = 0

    @classmethod
    def of(cls, error: BaseException) -> "Stop":
        """An error as it is told."""
        if isinstance(error, TwofoldError):
            return cls(type(error).__name__, error.message, error.hint)
        if isinstance(error, OSError):
            return cls("", error.strerror or str(error), number=error.errno or 0)
        return cls("", f"{type(error).__name__}: {error}")

    def error(self) -> BaseException:
        """The same error, to be raised here."""
        if self.name:
            kind: type[TwofoldError] = getattr(errors, self.name)
            return kind(self.message, hint=self.hint)
        return OSError(self.number, self.message) if self.number else RuntimeError(self.message)


def _place_of(told: Done | Failed | Damaged | Lacking, jobs: Sequence[FileJob]) -> int:
    wanted = (told.directory.serial, told.name)
    return next(
        at for at, job in enumerate(jobs) if (job.directory.serial, job.node.name) == wanted
    )


class Reply(msgspec.Struct, array_like=True):
    """What became of an order. Files by their place: (place, action, reason) and the like.

    ``lost``: packs of which something was looked for in vain.
    """

    written: list[int] = msgspec.field(default_factory=list)
    failed: list[tuple[int, str, str]] = msgspec.field(default_factory=list)
    damaged: list[tuple[int, str]] = msgspec.field(default_factory=list)
    lacking: list[tuple[int, str]] = msgspec.field(default_factory=list)
    losses: dict[str, int] = msgspec.field(default_factory=dict)
    findings: list[Finding] = msgspec.field(default_factory=list)
    lost: list[bytes] = msgspec.field(default_factory=list)
    stop: Stop | None = None

    @classmethod
    def of(cls, jobs: Sequence[FileJob], told: Sequence[Record]) -> "Reply":
        """What was told while the files of an order were written."""
        reply, losses = cls(), Counter[str]()
        for each in told:
            if isinstance(each, Written):
                reply.written += [job.number for job in each.jobs]
            elif isinstance(each, str):
                losses[each] += 1
            else:
                reply.note(_place_of(each, jobs), each)
        reply.losses = dict(losses)
        return reply

    def note(self, at: int, told: Record) -> None:
        """What was told of the file at a place."""
        if isinstance(told, Failed):
            self.failed.append((at, told.action, told.reason))
        elif isinstance(told, Damaged):
            self.damaged.append((at, told.reason))
        elif isinstance(told, Lacking):
            self.lacking.append((at, told.words))

    def tell(self, jobs: Sequence[FileJob], report: Report) -> None:
        """Tell the same of the files that were ordered."""
        written = [jobs[at] for at in self.written]
        for _, there in groupby(written, lambda job: job.directory.serial):
            here = list(there)
            report.written(here[0].directory, here)
        for at, action, reason in self.failed:
            job = jobs[at]
            report.failed(job.directory, job.node.name, action, reason, size=job.node.size)
        for at, reason in self.damaged:
            job = jobs[at]
            report.damaged(job.directory, job.node.name, DamageFound(reason), job.node.size)
        for at, words in self.lacking:
            report.absent(jobs[at].directory, jobs[at].node.name, words)
        for words, count in self.losses.items():
            report.lost([words] * count)
        for finding in self.findings:
            report.found(finding)
