"""Checking every object but the contents of packs (level 1): nothing stops it, all is told.

The order matters, for others may be at work: roots before sessions, index objects before packs
(what they list was there already). What is missing is looked for once more before it is called
missing.
"""

from twofold.backend import ShowsStrays
from twofold.errors import FormatError
from twofold.format import names
from twofold.repository.check_index import IndexCheck
from twofold.repository.check_objects import Checker, MarksCheck, OpenersCheck
from twofold.repository.check_snapshots import SnapshotsCheck
from twofold.repository.report import Report
from twofold.repository.repository import Repository
from twofold.repository.survey import Survey

LOST = (
    "what is still on its computer is stored again by the next backup there; "
    "the backups that miss something are named below"
)


def check_stored(repository: Repository, report: Report, own: bytes = b"") -> Survey:
    """All objects; ``own`` is the session of the check itself."""
    survey = Survey()
    OpenersCheck(repository, report, survey).run()
    SnapshotsCheck(repository, report, survey, own).run()
    IndexCheck(repository, report, survey).run()
    MarksCheck(repository, report, survey).run()
    StoreCheck(repository, report, survey).run()
    return survey


class StoreCheck(Checker):
    """What lies in the store: the packs that should, and things that should not."""

    def run(self) -> None:
        """Check them."""
        for info in self.backend.list(""):
            if info.name not in (names.CONFIG, names.CONFIG_COPY):
                self._object(info.name, info.size)
        self._missing()
        self._strays()

    def _object(self, name: str, size: int) -> None:
        folder = name.rpartition("/")[0]
        is_pack = folder.startswith(names.PACKS + "/")
        try:
            ident = names.id_from_name(name)
            if folder not in names.FOLDERS and not is_pack:
                raise FormatError("no folder of ours")
        except FormatError:
            self.report.note("names", name, "it is no object of a repository; it was left alone")
            return
        if is_pack:
            self.survey.present[ident] = size

    def _missing(self) -> None:
        listings, present = self.survey.listings, self.survey.present
        for pack in sorted(listings.keys() - present.keys()):
            listing = listings[pack]
            if self.exists(names.PACKS, pack) or not self.exists(names.INDEX, listing.source):
                continue  # stored just now, or removed just now together with its index
            self.survey.missing.add(pack)
            message = f"it is missing, and with it {listing.blobs:,} blobs"
            self.report.damage("packs", f"pack {pack.hex()}", message, LOST)

    def _strays(self) -> None:
        if not isinstance(self.backend, ShowsStrays):
            return
        count = size = 0
        for stray in self.backend.strays():
            if stray.temporary:
                count, size = count + 1, size + stray.size
            else:
                message = "it is no object of a repository; it was left alone"
                self.report.note("names", stray.name, message)
        if count:
            message = f"{count:,} with {size:,} bytes: of a run at work, or of one that was cut off"
            self.report.note("names", "temporary files", message, "nothing needs to be done")
