"""FAT12, FAT16 and FAT32, as in Microsoft's FAT specification 1.03."""

from twofold.disk.fat.boot import is_fat
from twofold.disk.fat.volume import open_fat

__all__ = ["is_fat", "open_fat"]
