"""What the figures are, one record for each sort, and what damage keeps out of them."""

from typing import ClassVar

import msgspec

from twofold.errors import DamageFound
from twofold.events import Emit, Finding, Progress, Severity
from twofold.format.image import PartName
from twofold.view import Program, Sharing, SystemFacts

_REMEDY = "run 'twofold check --read-data' to see what is affected"


class RepositoryStats(msgspec.Struct, frozen=True):
    """All that is stored; bytes.

    ``bytes_total``: of all backups, each as if it were alone. ``bytes_chunks``: their chunks,
    each once. ``bytes_data`` and ``bytes_metadata``: the same compressed and sealed.
    ``bytes_stored``: all packs as they lie there, with what protects them.
    """

    id: bytes
    location: str
    snapshots: int
    forgotten: int
    bytes_total: int
    bytes_chunks: int
    bytes_data: int
    bytes_metadata: int
    bytes_stored: int
    chunks: int
    packs: int


class GroupStats(msgspec.Struct, frozen=True):
    """Backups of one kind of one computer; ``bytes_newest`` is the size of its newest one."""

    host: str
    kind: str
    snapshots: int
    first_ns: int
    newest_ns: int
    bytes_total: int
    bytes_newest: int
    bytes_stored: int


class BackupStats(msgspec.Struct, frozen=True):
    """One backup. ``bytes_stored``: what it added to the repository when it was made."""

    id: bytes
    short_id: str
    kind: str
    time_ns: int
    end_ns: int
    host: str
    name: str
    tags: tuple[str, ...]
    sources: tuple[bytes, ...]
    files: int
    directories: int
    bytes_total: int
    bytes_read: int
    bytes_stored: int
    bytes_disk: int
    table: str
    sharing: Sharing


class VolumeStats(msgspec.Struct, frozen=True):
    """A partition of an image; ``used`` is what the image holds of it.

    ``part`` is what addresses call it: its number, or a name such as ``3.root`` of a logical
    volume; that has no ``number``, ``parent`` is the partition that it lies in, and ``start`` is 0.
    """

    part: PartName
    number: int | None
    start: int
    size: int
    used: int
    system: str
    label: str
    name: str
    serial: str
    parent: int = 0


class GrowthStats(msgspec.Struct, frozen=True):
    """What came and went between two backups."""

    before: bytes
    before_time_ns: int
    after: bytes
    after_time_ns: int
    bytes_new: int
    bytes_gone: int
    files_new: int
    files_gone: int
    files_changed: int


class FolderGrowth(msgspec.Struct, frozen=True):
    """The same of one folder with all below it; ``depth`` is that of its path."""

    path: bytes
    depth: int
    bytes_new: int
    bytes_gone: int
    files_new: int
    files_gone: int
    files_changed: int


class StatsResult(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly one of ``repository``, ``backup`` and ``growth`` is there, with what it lists."""

    SHOWN_AS: ClassVar = {
        "groups": "group",
        "volumes": "volume",
        "systems": "system",
        "programs": "program",
        "folders": "folder",
    }

    exit_code: int = 0
    repository: RepositoryStats | None = None
    backup: BackupStats | None = None
    growth: GrowthStats | None = None
    groups: tuple[GroupStats, ...] = ()
    volumes: tuple[VolumeStats, ...] = ()
    systems: tuple[SystemFacts, ...] = ()
    programs: tuple[Program, ...] = ()
    folders: tuple[FolderGrowth, ...] = ()


class Losses:
    """Tells damage, and remembers that there was some; tells how far things are."""

    def __init__(self, emit: Emit) -> None:
        self.emit = emit
        self.any = False

    def tell(self, subject: str, message: str) -> None:
        """Damage to something."""
        self.any = True
        self.emit(Finding(Severity.DAMAGE, subject, message, _REMEDY))

    def step(self, met: int) -> None:
        """How many entries were met."""
        self.emit(Progress(0, met))

    @property
    def exit_code(self) -> int:
        """0, or 5 when there was damage."""
        return DamageFound.exit_code if self.any else 0
