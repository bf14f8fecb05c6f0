"""System images: from a disk to a snapshot and back (docs/format/images.md)."""

from twofold.imaging.capture import Captured, ImageRequest, capture
from twofold.imaging.estimate import Estimate, PartEstimate, estimate
from twofold.imaging.journal import Journal
from twofold.imaging.plan import DiskPlan, PartPlan, plan_restore, with_new_ids
from twofold.imaging.restore import DiskRestored, restore_disk
from twofold.imaging.source import Source, open_source

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
