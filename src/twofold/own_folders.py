"""The folders in which Twofold keeps what is about this computer, outside of every repository.

Each may be named by a variable of the environment; else it is where the system has such folders.
"""

import os
from pathlib import Path

from twofold.platform import current


def config_folder() -> Path:
    """Where the user's configuration is looked for."""
    return current().own_folder("config")


def state_folder() -> Path:
    """What is remembered, and details of bugs; the variable TWOFOLD_STATE_DIR names another."""
    return _chosen("TWOFOLD_STATE_DIR") or current().own_folder("state")


def cache_folder() -> Path:
    """What can be made again; the variable TWOFOLD_CACHE_DIR names another."""
    return _chosen("TWOFOLD_CACHE_DIR") or current().own_folder("cache")


def _chosen(variable: str) -> Path | None:
    """None where the variable is missing or empty."""
    given = os.environ.get(variable)
    return Path(given) if given else None
