"""Reading packs whole (level 2), several at a time; at level 1 those of a wrong size.

Threads read and examine; findings are made in the caller's thread, in the order of the packs.
Memory is that of a few packs, however many there are.
"""

import os
from collections.abc import Iterable, Iterator

from twofold.errors import FormatError, ObjectDamaged, ObjectNotFound
from twofold.events import Phase, Progress, ignore
from twofold.format import names
from twofold.format.index import PackEntry
from twofold.parallel import Threads
from twofold.repository.check import LOST
from twofold.repository.check_objects import Checker
from twofold.repository.listing import entry_of
from twofold.repository.objects import peek_header
from twofold.repository.pack_check import PackExaminer, PackVerdict
from twofold.repository.pack_reader import MAX_PACK, PackReader
from twofold.repository.report import Report
from twofold.repository.repository import Repository
from twofold.repository.rough_read import read_around
from twofold.repository.survey import Survey

REPAIRABLE = "nothing is lost: the redundancy inside the pack covers it; check the drive"
REMEMBERED = (
    "this computer remembers it: its next backup stores again what is still here; another one that "
    "uses the repository does so once it was checked from there; the backups that miss something "
    "are named below"
)
_BIG = 128 << 20
"""Packs above this size in bytes are read one at a time."""


class PacksCheck(Checker):
    """Fills in what is lost in the survey."""

    def __init__(self, repository: Repository, report: Report, survey: Survey) -> None:
        super().__init__(repository, report, survey)
        reader = PackReader(repository.backend, repository.keys, ignore)
        self._examiner = PackExaminer(reader, repository.keys.dedup, self._entry)
        self._done_bytes = self._done_packs = 0

    def wrong_sizes(self) -> set[bytes]:
        """Packs of another size than listed: to be read at any level, to tell what that costs."""
        listings = self.survey.listings
        return {
            pack
            for pack, size in self.survey.present.items()
            if pack in listings and listings[pack].info.size != size
        }

    def misnamed(self) -> None:
        """A pack that no index lists may be one that is missed, under another name."""
        for pack in [] if self.survey.busy else self.survey.orphans:
            self._misnamed(pack)

    def _misnamed(self, pack: bytes) -> None:
        try:
            header = peek_header(self.backend, names.object_name(names.PACKS, pack))
        except ObjectNotFound:
            return
        if header is not None and header.object != pack:
            message = f"it was stored under another name, that of pack {header.object.hex()}"
            self.report.damage("packs", f"pack {pack.hex()}", message, "give it its name back")

    def examine(self, packs: Iterable[bytes]) -> Iterator[PackVerdict]:
        """Read packs whole; what is wrong with them is told, and remembered in the survey."""
        chosen = [pack for pack in packs if pack in self.survey.present]
        sizes = [self.survey.present[pack] for pack in chosen]
        if not chosen:
            return
        self.report.emit(Phase("reading packs", sum(sizes), len(chosen)))
        count = 1 if max(sizes) > _BIG else min(4, os.cpu_count() or 1)
        with Threads(count, "check") as threads:
            for verdict in threads.map(self._examine, chosen, ahead=count + 1):
                if verdict is not None:
                    self._settle(verdict)
                    yield verdict
                self._done_packs += 1
                self._done_bytes += self.survey.present[chosen[self._done_packs - 1]]
                self.report.emit(Progress(self._done_bytes, self._done_packs))
        self._done_bytes = self._done_packs = 0

    def _examine(self, pack: bytes) -> PackVerdict | None:
        """In a thread. None for a pack that is gone by now."""
        listing = self.survey.listings.get(pack)
        size = self.survey.present[pack]
        longest = listing.info.size if listing is not None else size
        if longest > MAX_PACK:
            return PackVerdict(pack, size, ["it is longer than any pack can be"], known=False)
        try:
            data = read_around(self.backend, names.object_name(names.PACKS, pack), longest)
        except ObjectNotFound:
            return None
        except ObjectDamaged as error:
            return self._unreadable(pack, size, error)
        verdict = self._examiner.examine(pack, data, listing)
        if size > longest:
            verdict.faults.append(f"{size - longest:,} bytes were added to it")
        elif size < longest:
            verdict.faults.append(f"{longest - size:,} bytes are cut off it")
        return verdict

    def _unreadable(self, pack: bytes, size: int, error: ObjectDamaged) -> PackVerdict:
        entry = self._entry(pack)
        verdict = PackVerdict(pack, size, [str(error)], known=entry is not None)
        if entry is not None:
            verdict.lost = list(entry.frames)
            verdict.frames = len(entry.frames)
        return verdict

    def _entry(self, pack: bytes) -> PackEntry | None:
        listing = self.survey.listings.get(pack)
        if listing is None:
            return None
        try:
            return entry_of(self.survey.index.runs[listing.kind], pack)
        except FormatError:
            return None

    def _settle(self, verdict: PackVerdict) -> None:
        """Remember what is lost, and tell."""
        self.survey.lost_frames.update((verdict.pack, frame.ordinal) for frame in verdict.lost)
        if verdict.healthy:
            return
        subject, why = f"pack {verdict.pack.hex()}", "; ".join(verdict.faults)
        if not verdict.known:
            listed = verdict.pack in self.survey.listings
            if listed:
                self.survey.missing.add(verdict.pack)
            message = f"{why}; nobody can tell what was in it"
            remedy = LOST if listed else "no backup needs it, as far as can be known"
            self.report.damage("packs", subject, message, remedy)
        elif verdict.lost:
            lost = f"{len(verdict.lost):,} of {verdict.frames:,} frames"
            message = f"{why}; {lost} with {verdict.lost_blobs:,} blobs are lost"
            self.report.damage("packs", subject, message, self._remedy(verdict))
        else:
            healed = f"; {verdict.healed:,} frames had to be rebuilt" if verdict.healed else ""
            self.report.damage("packs", subject, f"{why}{healed}; repairable", REPAIRABLE)

    def _remedy(self, verdict: PackVerdict) -> str:
        """Every writer sees a size that is wrong, and stores everything again."""
        listing = self.survey.listings.get(verdict.pack)
        if listing is None or listing.info.size != verdict.size:
            return LOST
        return REMEMBERED
