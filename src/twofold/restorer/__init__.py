"""Files out of a snapshot: what is wanted, what would happen, and making it happen.

    selection ─► plan (counts, room, losses; nothing is written) ─► execute ─► outcome

Restoring never deletes: what stands in the way is moved aside, replaced or left, as asked.
"""

from twofold.restorer.plan import RestorePlan
from twofold.restorer.report import Counts, Funnel
from twofold.restorer.restore import Loss, Outcome, Request, Restore
from twofold.restorer.selection import Selection, select

__all__ = [
    "Counts",
    "Funnel",
    "Loss",
    "Outcome",
    "Request",
    "Restore",
    "RestorePlan",
    "Selection",
    "select",
]
