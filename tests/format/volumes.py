"""Records of volumes: what a test is about is named, all else is empty."""

from twofold.format.image import VolumeRecord
from twofold.format.records import PageRef

NOWHERE = PageRef(bytes(32))
"""Of entries that nobody looks at."""


def volume_of(
    size: int,
    unit: int = 512,
    units: int | None = None,
    *,
    number: int = 1,
    start: int = 0,
    origin: int = 0,
    used: int = 0,
    system: str = "",
    entries: PageRef = NOWHERE,
) -> VolumeRecord:
    """A volume of so many bytes; as many units as fit behind ``origin`` unless they are told."""
    if units is None:
        units = (size - origin) // unit if unit else 0
    return VolumeRecord(
        number=number,
        start=start,
        size=size,
        sort="",
        name="",
        guid="",
        system=system,
        label="",
        serial="",
        unit=unit,
        units=units,
        origin=origin,
        used=used,
        exact=False,
        entries=entries,
    )
