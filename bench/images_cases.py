"""The names of the cases and of their steps, for those who measure and those who tell."""

KINDS = ("ntfs", "ext4")
FILES_FIRST = ("files", "image", "changed", "other")
IMAGE_FIRST = ("image", "files")
TIMES = ("first", "unchanged", "proven", "restore", "export")
OPEN, ONE_FILE = "open", "one file"
PLAIN, PRESSED = "ntfs, not compressed", "ntfs, a tenth of the system compressed"


def stored(kind: str, order: tuple[str, ...]) -> str:
    """Both kinds of backup in one repository, in this order."""
    return f"{kind}, {order[0]} first"


def times(kind: str) -> str:
    """What imaging costs."""
    return f"{kind}, times"


def on_disk(kind: str) -> str:
    """The same, from and to a disk."""
    return f"{kind}, on disk"


def one_file(kind: str) -> str:
    """One file out of an image of many."""
    return f"{kind}, many files"
