"""Every error Twofold raises on purpose, with its exit code and what to do about it.

    TwofoldError (1)
    ├── UsageError (2)                  wrong words on the command line or in the config
    │   └── SnapshotNotFound            an address of a snapshot or partition that is not there
    ├── NothingDone (4)                 place absent, not due
    ├── DamageFound (5)
    │   ├── FormatError                 bytes that are not what the format says
    │   └── ObjectDamaged               an object fails its authentication or its structure
    ├── RepositoryNotFound (10)
    ├── RepositoryLocked (11)
    ├── WrongKey (12)
    ├── StoreError (13)                 the store failed or cannot be reached
    │   ├── ObjectNotFound              a named object is not there
    │   └── ObjectExists                a create-only write met an object of that name
    ├── NoSpace (14)
    ├── NeedsRights (15)
    ├── FreezerFailed (16)
    ├── RefusedUnsafe (17)
    ├── SourceDamaged (1)               a disk image that is to be read is not in order
    ├── NewerFormat (1)                 written by a newer Twofold
    ├── PathNotFound (1)                a snapshot does not hold what is asked for
    └── Fenced (1)                      our session was ended by a pruner; run again

Source problems (an unreadable file) are events, never exceptions of this tree; repository
problems are always exceptions. The codes are the contract of the command line (design §3).
"""

import os
from typing import ClassVar

INCOMPLETE = 3
"""Exit code of what was done although some of its source could not be had: no error is raised."""


def words_of(error: OSError) -> str:
    """What the system says of an error and the file it is about, without its number."""
    words = error.strerror or str(error)
    return f"{words} ({os.fsdecode(error.filename)})" if error.filename else words


class TwofoldError(Exception):
    """Base of all deliberate errors: one sentence, an exit code and a hint."""

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint


class UsageError(TwofoldError):
    """The command line, environment or config file asks for something impossible."""

    exit_code = 2
    default_hint = "see 'twofold --help'"


class NothingDone(TwofoldError):
    """Nothing was to be done: the place is absent or the run is not due."""

    exit_code = 4


class DamageFound(TwofoldError):
    """The repository is damaged."""

    exit_code = 5
    default_hint = "run 'twofold check --read-data' to see what is affected"


class FormatError(DamageFound):
    """Bytes that do not follow the format: wrong magic, length, kind or structure."""


class ObjectDamaged(DamageFound):
    """A repository object cannot be read correctly by any means at hand."""


class RepositoryNotFound(TwofoldError):
    """There is no repository at the place named."""

    exit_code = 10
    default_hint = "check the place, or make a new repository with 'twofold init'"


class RepositoryLocked(TwofoldError):
    """Somebody else holds what we need."""

    exit_code = 11
    default_hint = "wait for the other run to end and try again"


class WrongKey(TwofoldError):
    """No key slot opens with the password or key given."""

    exit_code = 12
    default_hint = "check the password; the printed recovery key also opens the repository"


class StoreError(TwofoldError):
    """The store failed or cannot be reached.

    ``attempts``: how often it is worth trying, the first time included; None while patience lasts.
    """

    exit_code = 13
    retryable = True
    default_hint = "check that the drive or the network place is connected, then run again"

    def __init__(self, message: str, *, hint: str = "", attempts: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.attempts = attempts


class ObjectNotFound(StoreError):
    """A named object is not in the store."""

    retryable = False


class ObjectExists(StoreError):
    """A create-only write met an object of the same name with other contents."""

    retryable = False


class NoSpace(TwofoldError):
    """The store (or the restore target) is full."""

    exit_code = 14
    default_hint = "free some space and run again; what was stored already is kept"


class NeedsRights(TwofoldError):
    """The operating system denied access to something that is required."""

    exit_code = 15
    default_hint = "run with the rights needed, or change the permissions of the place named"


class FreezerFailed(TwofoldError):
    """No consistent view of the source could be had."""

    exit_code = 16


class RefusedUnsafe(TwofoldError):
    """Refused because going on could destroy something."""

    exit_code = 17


class SourceDamaged(TwofoldError):
    """A disk image that is to be read is not in order; the repository is not concerned."""


class NewerFormat(TwofoldError):
    """The repository was written by a newer Twofold."""

    default_hint = "update Twofold on this computer"


class SnapshotNotFound(UsageError):
    """No snapshot, or no partition of it, answers to the address given."""

    default_hint = "'twofold snapshots' lists what there is"


class PathNotFound(TwofoldError):
    """The snapshots asked hold no such path."""

    default_hint = "'twofold ls' shows what a snapshot holds"


class Fenced(TwofoldError):
    """This run's session was ended by a pruner; nothing is lost, but it must start again."""

    retryable = True
    default_hint = "run the command again; data already stored is reused"
