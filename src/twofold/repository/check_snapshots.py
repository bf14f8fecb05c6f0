"""Snapshots as objects: sessions, bodies, and the chains they form.

Bodies are listed before sessions: a body whose run commits in between is then found committed. A
body without a session was never committed, unless a later snapshot names it as the one before.
"""

from collections.abc import Mapping

from twofold.format import names
from twofold.format.names import Kind
from twofold.format.records import Chain, Root, SessionRecord
from twofold.repository.check_objects import DRIVE, Checker
from twofold.repository.report import Report
from twofold.repository.repository import Repository
from twofold.repository.snapshots import Snapshot, chain_digest, in_order
from twofold.repository.survey import Survey

Roots = Mapping[bytes, Root | None]
Records = Mapping[bytes, SessionRecord | None]


class SnapshotsCheck(Checker):
    """Fills in the snapshots of the survey."""

    def __init__(
        self, repository: Repository, report: Report, survey: Survey, own: bytes = b""
    ) -> None:
        """``own``: the session of the check itself."""
        super().__init__(repository, report, survey)
        self._own = own

    def run(self) -> None:
        """Check them."""
        cost = "this snapshot cannot be restored"
        roots = {
            ident: self.record("snapshots", Kind.ROOT, names.ROOTS, ident, Root, cost)
            for ident in self.ids(names.ROOTS)
        }
        busy = self._records(names.SESSIONS_OPEN)
        committed = self._records(names.SESSIONS_COMMITTED)
        fenced = self._records(names.SESSIONS_FENCED)
        self.survey.committed = set(committed)
        self._tell(busy)
        forgotten = {*self.ids(names.FORGOTTEN), *self.ids(names.FORGOTTEN_FINAL)}
        for ident in sorted(committed.keys() - roots.keys()):
            roots[ident] = self._without_body(ident)
        for ident in sorted(roots.keys() - committed.keys() - busy.keys() - fenced.keys()):
            self._without_session(ident, roots, forgotten)
        self.survey.snapshots = in_order(
            Snapshot(ident, root, ident in forgotten)
            for ident, root in roots.items()
            if root is not None and ident in committed
        )
        self._chains()

    def _records(self, folder: str) -> Records:
        return {
            ident: self.record("sessions", Kind.SESSION, folder, ident, SessionRecord)
            for ident in self.ids(folder)
        }

    def _tell(self, busy: Records) -> None:
        for ident, record in busy.items():
            if ident != self._own:
                self.survey.busy = True
                who = f"{record.purpose or record.role} on {record.host}" if record else "somebody"
                message = f"{who} is at work, or was cut off before it could end"
                self.report.note("sessions", f"session {ident.hex()[:8]}", message)

    def _without_body(self, ident: bytes) -> Root | None:
        """A committed session without a root; unless it was committed after roots were listed."""
        root = self.record("snapshots", Kind.ROOT, names.ROOTS, ident, Root)
        gone = root is None and not self.exists(names.ROOTS, ident)
        if gone and self.exists(names.SESSIONS_COMMITTED, ident):
            message = "its description is missing; this snapshot cannot be restored"
            self.report.damage("snapshots", f"snapshot {ident.hex()[:8]}", message, DRIVE)
        return root

    def _without_session(self, ident: bytes, roots: Roots, forgotten: set[bytes]) -> None:
        subject = f"snapshot {ident.hex()[:8]}"
        followed = any(
            root is not None and ident in (root.chain.previous, root.parent)
            for root in roots.values()
        )
        if followed and ident not in forgotten:
            message = (
                "it was committed, for a later one names it, but its session record is gone; "
                "no list shows it any more"
            )
            self.report.damage("snapshots", subject, message, DRIVE)
        else:
            message = "it was never committed: its run was set aside, or its removal did not end"
            self.report.note("snapshots", subject, message, "nothing needs to be done")

    def _chains(self) -> None:
        """Each snapshot follows from the one it names, where both are there."""
        chains = {snapshot.id: snapshot.root.chain for snapshot in self.survey.snapshots}
        for snapshot in self.survey.snapshots:
            chain = snapshot.root.chain
            if not chain.digest or (chain.previous and chain.previous not in chains):
                continue  # those before it were removed, or it has no place in a chain
            before = chains[chain.previous] if chain.previous else Chain(source=chain.source)
            digest = chain_digest(self.repository.keys, before.digest, snapshot.root)
            follows = (before.sequence + 1, before.source) == (chain.sequence, chain.source)
            if digest != chain.digest or not follows:
                self.report.damage(
                    "snapshots",
                    f"snapshot {snapshot.short}",
                    "it does not follow from the snapshot before it: one of the two was replaced",
                    "find out who can write to this place and has a key",
                )
