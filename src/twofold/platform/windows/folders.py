"""Where programs of a user keep their own files: what platformdirs asks Windows for."""

import sys
from pathlib import Path

import platformdirs

from twofold.platform.base import OwnFolder

assert sys.platform == "win32"


def own_folder(kind: OwnFolder) -> Path:
    """Twofold's folder of this kind; it need not exist."""
    if kind == "config":
        return platformdirs.user_config_path("twofold", appauthor=False, roaming=True)
    if kind == "state":
        return platformdirs.user_state_path("twofold", appauthor=False)
    return platformdirs.user_cache_path("twofold", appauthor=False)
