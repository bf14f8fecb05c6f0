"""exFAT, as in Microsoft's exFAT specification 1.00."""

from twofold.disk.exfat.volume import open_exfat

__all__ = ["open_exfat"]
