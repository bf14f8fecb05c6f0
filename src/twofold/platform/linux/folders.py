"""Where programs of a user keep their own files: the XDG Base Directory Specification, version 0.8.

It is two sentences: a variable names the folder if its path is absolute; else there is a default
below the home folder. Every command asks, and platformdirs, which knows it too, takes as long to
load as all else that an unchanged backup of a few files has to do.
"""

import os
import sys
from pathlib import Path

from twofold.platform.base import OwnFolder

assert sys.platform == "linux"

_PLACES: dict[OwnFolder, tuple[str, str]] = {
    "config": ("XDG_CONFIG_HOME", ".config"),
    "state": ("XDG_STATE_HOME", ".local/state"),
    "cache": ("XDG_CACHE_HOME", ".cache"),
}


def own_folder(kind: OwnFolder) -> Path:
    """Twofold's folder of this kind; it need not exist."""
    variable, below_home = _PLACES[kind]
    given = os.environ.get(variable, "")
    return (Path(given) if os.path.isabs(given) else Path.home() / below_home) / "twofold"
