"""What a check found: told at once, kept for the result, never more than anybody can read.

Findings of one group beyond ``KEPT`` are counted and summed up in one sentence at the end. The same
finding is told once, however many ways lead to it.
"""

from collections import Counter

from twofold.events import Emit, Event, Finding, Severity

KEPT = 100
"""Findings of one group that are told one by one."""


class Report:
    """Collects findings in the order found; used by one thread."""

    def __init__(self, emit: Emit) -> None:
        self.emit = emit
        self.findings: list[Finding] = []
        self.counts: Counter[Severity] = Counter()
        self._groups: Counter[tuple[Severity, str]] = Counter()
        self._told: set[tuple[str, str]] = set()

    def add(
        self, severity: Severity, group: str, subject: str, message: str, remedy: str = ""
    ) -> None:
        """A finding; ``group`` is what several of its kind are called: "packs"."""
        if (subject, message) in self._told:
            return
        self.counts[severity] += 1
        self._groups[severity, group] += 1
        if self._groups[severity, group] <= KEPT:
            self._told.add((subject, message))
            self._keep(Finding(severity, subject, message, remedy))

    def damage(self, group: str, subject: str, message: str, remedy: str = "") -> None:
        """Something is not as it was written, whether or not anything is lost by that."""
        self.add(Severity.DAMAGE, group, subject, message, remedy)

    def warning(self, group: str, subject: str, message: str, remedy: str = "") -> None:
        """Something that somebody should look at."""
        self.add(Severity.WARNING, group, subject, message, remedy)

    def note(self, group: str, subject: str, message: str, remedy: str = "") -> None:
        """Something worth knowing."""
        self.add(Severity.NOTE, group, subject, message, remedy)

    def take(self, finding: Finding, group: str) -> None:
        """A finding made elsewhere."""
        self.add(finding.severity, group, finding.subject, finding.message, finding.remedy)

    def hear(self, event: Event) -> None:
        """Stand in for ``emit`` where reading heals on its way: healed damage is damage."""
        if isinstance(event, Finding):
            self.damage("packs", event.subject, event.message, event.remedy)
        else:
            self.emit(event)

    def close(self) -> None:
        """Sum up what was not told one by one."""
        for (severity, group), count in self._groups.items():
            if count > KEPT:
                more = f"{count - KEPT:,} more findings like those above"
                self._keep(Finding(severity, group, more))
        self._groups.clear()

    def _keep(self, finding: Finding) -> None:
        self.findings.append(finding)
        self.emit(finding)

    @property
    def damaged(self) -> bool:
        """Whether there is any damage."""
        return bool(self.counts[Severity.DAMAGE])
