"""What Linux offers, gathered for the platform door."""

import sys
from pathlib import Path

from twofold.platform.base import Entry, Machine, OwnFolder
from twofold.platform.devices import DiskInfo, Mount
from twofold.platform.linux import devices, folders, machine, mounts, source, target, uses

assert sys.platform == "linux"


class LinuxPlatform:
    """See ``twofold.platform.base.Platform``."""

    def machine(self) -> Machine:
        """Who we are."""
        return machine.machine()

    def user_name(self) -> str:
        """Login name of who we act as."""
        return machine.user_name()

    def process_alive(self, pid: int) -> bool:
        """Whether a process of this boot exists and has not ended."""
        return machine.process_alive(pid)

    def owner_names(self, uid: int, gid: int) -> tuple[str, str]:
        """User and group name, empty where unknown. Cached."""
        return machine.owner_name(uid), machine.group_name(gid)

    def owner_ids(self, user: str, group: str) -> tuple[int | None, int | None]:
        """Ids of names on this machine, None where unknown. Cached."""
        return machine.owner_id(user), machine.group_id(group)

    def open_source(self, path: bytes) -> source.LinuxSourceDir:
        """Open a directory to be read; links in this path are followed. OSError."""
        return source.LinuxSourceDir.open(path)

    def open_target(self, path: bytes, *, create: bool) -> target.LinuxTargetDir:
        """Open (or make 0700, with parents) the directory to restore into. OSError."""
        return target.LinuxTargetDir.open(path, create=create)

    def stable_inodes(self, fs_type: str) -> bool:
        """Whether inode numbers of this file system survive a remount."""
        return mounts.stable_inodes(fs_type)

    def timestamp_granularity_ns(self, fs_type: str, entry: Entry) -> int:
        """Coarsest step with which this file system stamps changes, ns."""
        return mounts.timestamp_granularity_ns(fs_type, entry)

    def own_folder(self, kind: OwnFolder) -> Path:
        """Where Twofold keeps files of this kind for the current user; it need not exist."""
        return folders.own_folder(kind)

    def personal_folders(self) -> list[bytes]:
        """Folders of the current user worth backing up by default; only those that exist."""
        return machine.personal_folders()

    def open_disk(
        self, path: bytes, *, write: bool = False, create: bool = False
    ) -> devices.LinuxDisk:
        """Open a block device or a disk-image file. NeedsRights, RefusedUnsafe, OSError."""
        return devices.open_disk(path, write=write, create=create)

    def disks(self) -> list[DiskInfo]:
        """The whole disks of this machine."""
        return uses.disks()

    def needed_to_start(self) -> list[bytes]:
        """The disks that hold what this machine starts from; empty where that is not known."""
        return uses.needed_to_start()

    def uses_of(self, path: bytes) -> list[str]:
        """Sentences why a device or file must not be written. OSError."""
        return uses.uses_of(path)

    def mounts_of(self, path: bytes) -> list[Mount]:
        """The file systems in use on a device, or in a file that is shown as a disk. OSError."""
        return uses.mounts_of(path)
