"""The folders in which Twofold keeps what is about this computer, outside of every repository.

Each may be named by a variable of the environment; else it is where the system has such folders. On
Linux that is what the XDG Base Directory Specification says in two sentences, and every command
asks: platformdirs, which knows it too, takes as long to load as all else that is done there.
"""

import os
import sys
from pathlib import Path

if sys.platform == "linux":

    def _user_folder(variable: str, below_home: str) -> Path:
        """What the variable names, unless it is not absolute; else the standard's default."""
        given = os.environ.get(variable, "")
        return (Path(given) if os.path.isabs(given) else Path.home() / below_home) / "twofold"

    def _config() -> Path:
        return _user_folder("XDG_CONFIG_HOME", ".config")

    def _state() -> Path:
        return _user_folder("XDG_STATE_HOME", ".local/state")

    def _cache() -> Path:
        return _user_folder("XDG_CACHE_HOME", ".cache")

else:
    import platformdirs

    def _config() -> Path:
        return platformdirs.user_config_path("twofold", appauthor=False, roaming=True)

    def _state() -> Path:
        return platformdirs.user_state_path("twofold", appauthor=False)

    def _cache() -> Path:
        return platformdirs.user_cache_path("twofold", appauthor=False)


def config_folder() -> Path:
    """Where the user's configuration is looked for."""
    return _config()


def state_folder() -> Path:
    """What is remembered, and details of bugs; the variable TWOFOLD_STATE_DIR names another."""
    return _chosen("TWOFOLD_STATE_DIR") or _state()


def cache_folder() -> Path:
    """What can be made again; the variable TWOFOLD_CACHE_DIR names another."""
    return _chosen("TWOFOLD_CACHE_DIR") or _cache()


def _chosen(variable: str) -> Path | None:
    """None where the variable is missing or empty."""
    given = os.environ.get(variable)
    return Path(given) if given else None
