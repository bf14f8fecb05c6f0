"""File backup: from live directories to a snapshot."""

from twofold.archiver.archiver import BackupRequest, backup
from twofold.archiver.rules import RuleOptions, Rules
from twofold.archiver.selection import absolute, asks_for_target, covers, with_target
from twofold.archiver.standard_input import backup_stream

__all__ = [
    "BackupRequest",
    "RuleOptions",
    "Rules",
    "absolute",
    "asks_for_target",
    "backup",
    "backup_stream",
    "covers",
    "with_target",
]
