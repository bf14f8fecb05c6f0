"""A sysfs made by hand, for hardware that tests cannot count on.

Only what the kernel's documentation says is made: a directory per device (partitions inside that
of their disk), links in class/block and dev/block, holders and slaves as links to each other.
"""

from collections.abc import Mapping
from pathlib import Path


class SysfsTree:
    """Builds a tree below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._places: dict[str, Path] = {}
        for folder in ("class/block", "dev/block", "fs/btrfs"):
            (root / folder).mkdir(parents=True)

    def disk(self, name: str, bus: str, dev: str, mib: int, **attributes: str) -> None:
        """A device below ``devices/BUS``; ``__`` in names of attributes stands for a slash."""
        place = self.root / "devices" / bus / "block" / name
        self._device(name, place, dev, mib, {"queue__logical_block_size": "512", **attributes})
        if not bus.startswith("virtual"):
            (place / "device").mkdir(exist_ok=True)

    def partition(self, disk: str, name: str, number: int, dev: str, start: int, mib: int) -> None:
        """A partition of a disk that begins at ``start`` MiB."""
        numbers = {"partition": str(number), "start": str(start * 2048)}
        self._device(name, self._places[disk] / name, dev, mib, numbers)

    def hold(self, holder: str, *slaves: str) -> None:
        """One device is made of others."""
        for slave in slaves:
            self._link(self._places[slave] / "holders" / holder, self._places[holder])
            self._link(self._places[holder] / "slaves" / slave, self._places[slave])

    def btrfs(self, uuid: str, *members: str) -> None:
        """A btrfs file system in use."""
        for name in members:
            self._link(self.root / "fs/btrfs" / uuid / "devices" / name, self._places[name])

    def _device(
        self, name: str, place: Path, dev: str, mib: int, attributes: Mapping[str, str]
    ) -> None:
        self._places[name] = place
        for folder in ("holders", "slaves"):
            (place / folder).mkdir(parents=True)
        for attribute, text in {
            "dev": dev,
            "size": str(mib * 2048),
            "ro": "0",
            **attributes,
        }.items():
            file = place / attribute.replace("__", "/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text + "\n", "latin-1")
        self._link(self.root / "class/block" / name, place)
        self._link(self.root / "dev/block" / dev, place)

    def _link(self, link: Path, target: Path) -> None:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
