"""Every index object: readable, possible, and in agreement with the others.

An index object that cannot be read costs nothing while the packs are whole: their own tables say
the same. They are asked when something needed is listed nowhere.
"""

from twofold.errors import DamageFound, FormatError, NewerFormat, ObjectNotFound
from twofold.format import names
from twofold.format.index import IndexRun
from twofold.format.names import BlobKind
from twofold.repository.check_objects import COVERED, Checker
from twofold.repository.index import adopt
from twofold.repository.keys import ONE_COPY_DAMAGED
from twofold.repository.listing import UNKNOWN, PackListing, list_packs
from twofold.repository.objects import peek_header
from twofold.repository.pack_reader import PackReader

FORGED = "find out which program, or who with a key, has written it"


class IndexCheck(Checker):
    """Fills in the index and the listings of the survey."""

    def run(self) -> None:
        """Check them."""
        index = self.survey.index
        for ident in self.ids(names.INDEX):
            index.loaded.add(ident)
            self._object(ident)
        packs = PackReader(self.backend, self.repository.keys, self.report.hear)
        index.on_look_again(lambda: adopt(self.objects, packs, index, set()))

    def _object(self, ident: bytes) -> None:
        """Take in one index object."""
        index, name = self.survey.index, names.object_name(names.INDEX, ident)
        try:
            kind, run, healthy = self._read_run(name, ident)
        except ObjectNotFound:
            return
        except (DamageFound, NewerFormat) as error:
            index.damaged.append(ident)
            why = f"it cannot be read ({error}){self.true_name(name)}"
            message = f"{why}; the packs' own tables were used instead"
            remedy = "nothing is lost while the packs are whole; the next backup lists them again"
            self.report.damage("index", name, message, remedy)
            return
        if not healthy:
            self.report.damage("index", name, ONE_COPY_DAMAGED, COVERED)
        index.add(kind, run)
        for listing in self._listings(name, ident, kind, run):
            self._enter(name, listing)

    def _listings(
        self, name: str, ident: bytes, kind: BlobKind, run: IndexRun
    ) -> list[PackListing]:
        try:
            return list_packs(kind, run, ident)
        except FormatError as error:
            message = f"it was sealed with our keys, but says what cannot be ({error})"
            self.report.damage("index", name, message, FORGED)
            return [PackListing(kind, info, ident, mark=UNKNOWN) for info in run.packs()]

    def _enter(self, name: str, listing: PackListing) -> None:
        known = self.survey.listings.setdefault(listing.info.id, listing)
        if not known.agrees(listing):
            message = f"it says something else of pack {listing.info.id.hex()} than another does"
            self.report.damage("index", name, message)

    def _read_run(self, name: str, ident: bytes) -> tuple[BlobKind, IndexRun, bool]:
        last: DamageFound | NewerFormat | None = None
        header = peek_header(self.backend, name)
        said = header.kind if header is not None else 0
        for kind in sorted(BlobKind, key=lambda one: one.index_kind != said):
            try:
                contents, healthy = self.objects.inspect(kind.index_kind, name, ident)
                return kind, IndexRun(contents), healthy
            except (DamageFound, NewerFormat) as error:
                last = last or error
        raise last or FormatError("it is of no known kind")
