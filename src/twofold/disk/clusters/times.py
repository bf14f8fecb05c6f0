"""Times of FAT and exFAT: packed local time in steps of 2 s, a count of 10 ms, perhaps a zone.

Date: 7 bits of years since 1980, 4 of the month, 5 of the day. Time: 5 bits of hours, 6 of
minutes, 5 of double seconds. exFAT may add the distance to UTC in quarters of an hour; without it
a local time is taken as UTC, for nobody knows where it was written.
(FAT specification 1.03, "Date and Time Formats"; exFAT specification 7.4.8 to 7.4.10.)
"""

from datetime import UTC, datetime
from typing import NamedTuple

_ZONE_KNOWN = 0x80
_QUARTER_HOUR = 15 * 60


class Moment(NamedTuple):
    """A point in time as stored."""

    packed: int
    """Date in the high 16 bits, time in the low ones; 0 when not kept."""
    hundredths: int = 0
    """0 to 199, steps of 10 ms."""
    zone: int = 0
    """exFAT's byte of the distance to UTC, its highest bit tells that it is known."""

    @property
    def local(self) -> bool:
        """Whether the zone is unknown."""
        return not self.zone & _ZONE_KNOWN

    def nanoseconds(self) -> int | None:
        """Since 1970; None when the bits are no date."""
        date, time = divmod(self.packed, 1 << 16)
        try:
            moment = datetime(
                1980 + (date >> 9),
                date >> 5 & 15,
                date & 31,
                time >> 11,
                time >> 5 & 63,
                (time & 31) * 2,
                tzinfo=UTC,
            )
        except ValueError:
            return None
        seconds = int(moment.timestamp()) - self._east()
        return seconds * 10**9 + min(self.hundredths, 199) * 10**7

    def _east(self) -> int:
        """Seconds that the local time is ahead of UTC."""
        if self.local:
            return 0
        quarters = self.zone & 0x7F
        return (quarters - 128 if quarters >= 64 else quarters) * _QUARTER_HOUR
