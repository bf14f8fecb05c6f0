"""System images: from a disk to a snapshot and back (docs/format/images.md).

The way back needs more of the program than the way in; it is loaded when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from twofold.imaging.capture import Captured, ImageRequest, capture
from twofold.imaging.estimate import Estimate, PartEstimate, estimate
from twofold.imaging.source import Source, open_source

if TYPE_CHECKING:
    from twofold.imaging.journal import Journal
    from twofold.imaging.plan import DiskPlan, PartPlan, plan_restore, with_new_ids
    from twofold.imaging.restore import DiskRestored, restore_disk

__all__ = [
    "Captured",
    "DiskPlan",
    "DiskRestored",
    "Estimate",
    "ImageRequest",
    "Journal",
    "PartEstimate",
    "PartPlan",
    "Source",
    "capture",
    "estimate",
    "open_source",
    "plan_restore",
    "restore_disk",
    "with_new_ids",
]

_BACK = {
    "DiskPlan": "plan",
    "DiskRestored": "restore",
    "Journal": "journal",
    "PartPlan": "plan",
    "plan_restore": "plan",
    "restore_disk": "restore",
    "with_new_ids": "plan",
}


def __getattr__(name: str) -> object:
    if name not in _BACK:
        raise AttributeError(name)
    found: object = getattr(import_module(f"{__name__}.{_BACK[name]}"), name)
    return found
