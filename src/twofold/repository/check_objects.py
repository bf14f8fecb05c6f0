"""What every part of the check shares: reading single objects and telling what is wrong with them.

Damage that a second copy covers is still damage: nothing is lost now, but half of the safety is.
"""

from collections.abc import Iterator

from twofold.errors import DamageFound, NewerFormat, ObjectNotFound
from twofold.format import names
from twofold.format.config import Config
from twofold.format.keyslot import MAX_SLOTS
from twofold.format.names import Kind
from twofold.format.records import Mark, RecordT, Root, Tombstone, decode_record
from twofold.repository.keys import ONE_COPY_DAMAGED, slot_names, slot_problem
from twofold.repository.objects import ObjectStore, peek_header
from twofold.repository.report import Report
from twofold.repository.repository import Repository
from twofold.repository.survey import Survey

COVERED = "nothing is lost: the other copy was used; check the drive"
DRIVE = "check the drive, and restore this object from a copy of the repository if there is one"


class Checker:
    """One part of a check of one repository."""

    def __init__(self, repository: Repository, report: Report, survey: Survey) -> None:
        self.repository = repository
        self.report = report
        self.survey = survey
        self.backend = repository.backend
        self.objects = ObjectStore(repository.backend, repository.keys, report.hear)

    def record(
        self,
        group: str,
        kind: Kind,
        folder: str,
        ident: bytes,
        record: type[RecordT],
        cost: str = "",
    ) -> RecordT | None:
        """A record whose damage is told; None when it cannot be read or is gone by now."""
        name = names.object_name(folder, ident)
        try:
            contents, healthy = self.objects.inspect(kind, name, ident)
            found = decode_record(contents, record)
            if isinstance(found, Root):
                found.check()
        except ObjectNotFound:
            return None  # whoever is at work has removed it since it was listed
        except (DamageFound, NewerFormat) as error:
            message = f"it cannot be read ({error}){self.true_name(name)}"
            self.report.damage(group, name, f"{message}; {cost}" if cost else message, DRIVE)
            return None
        if not healthy:
            self.report.damage(group, name, ONE_COPY_DAMAGED, COVERED)
        return found

    def true_name(self, name: str) -> str:
        """Words about the name that an object's header gives, if it has another one."""
        try:
            header = peek_header(self.backend, name)
        except ObjectNotFound:
            return ""
        if header is None or name.endswith(header.object.hex()):
            return ""
        return f"; its header says it is {header.object.hex()}"

    def ids(self, folder: str) -> list[bytes]:
        """Ids of all objects in a folder, always in the same order."""
        return sorted(self.objects.ids(folder))

    def exists(self, folder: str, ident: bytes) -> bool:
        """Whether an object is there now."""
        try:
            self.backend.size(names.object_name(folder, ident))
        except ObjectNotFound:
            return False
        return True


class OpenersCheck(Checker):
    """What opens the repository: both configurations, and every key slot."""

    def run(self) -> None:
        """Check them."""
        self._config()
        self._keys()

    def _config(self) -> None:
        files = dict(self._configs())
        if len(set(files.values())) > 1:
            self.report.damage(
                "configuration",
                names.CONFIG,
                f"it differs from '{names.CONFIG_COPY}': one of the two was replaced",
                "find out who can write to this place",
            )

    def _configs(self) -> Iterator[tuple[str, bytes]]:
        """(name, contents) of those that can be read."""
        for name in (names.CONFIG, names.CONFIG_COPY):
            problem = ""
            try:
                contents, healthy = self.objects.inspect(Kind.CONFIG, name, None)
                decode_record(contents, Config)
            except ObjectNotFound:
                problem = "it is missing"
            except (DamageFound, NewerFormat) as error:
                problem = f"it cannot be read ({error})"
            else:
                problem = "" if healthy else ONE_COPY_DAMAGED
                yield name, contents
            if problem:
                self.report.damage("configuration", name, problem, COVERED)

    def _keys(self) -> None:
        found = slot_names(self.backend)
        for name in found:
            try:
                problem = slot_problem(self.backend, self.repository.id, name)
            except ObjectNotFound:
                continue
            if problem:
                remedy = "this key may not open the repository any more: add a new one, remove it"
                self.report.damage("key slots", name, problem + self.true_name(name), remedy)
        if len(found) > MAX_SLOTS:
            self.report.damage(
                "key slots",
                names.KEYS,
                f"there are {len(found):,} key slots; only the first {MAX_SLOTS} are ever tried",
                "somebody may have put them there to lock you out; remove those you do not know",
            )


class MarksCheck(Checker):
    """Forgotten marks and tombstones."""

    def run(self) -> None:
        """Check them."""
        for folder in (names.FORGOTTEN, names.FORGOTTEN_FINAL):
            for ident in self.ids(folder):
                self.record("marks", Kind.FORGOTTEN, folder, ident, Mark)
                if ident not in self.survey.committed:
                    subject = f"snapshot {ident.hex()[:8]}"
                    self.report.note("marks", subject, "it was forgotten and is gone already")
        for folder in (names.TOMBS, names.TOMBS_FINAL):
            for ident in self.ids(folder):
                self.record("marks", Kind.TOMB, folder, ident, Tombstone)
