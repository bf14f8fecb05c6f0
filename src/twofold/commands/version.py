"""What is installed here: of this program, and of what it stands on."""

import sys
from importlib.metadata import PackageNotFoundError, version

import msgspec

from twofold import __version__
from twofold.events import Emit
from twofold.format import FORMAT_NUMBER
from twofold.native import EXTENSION
from twofold.options import Options


class VersionOptions(Options, frozen=True, kw_only=True):
    """Nothing can be asked."""


class VersionResult(msgspec.Struct, frozen=True):
    """Versions as text; ``native`` says whether the C extension is in use."""

    version: str
    repository_format: int
    python: str
    native: bool
    libraries: dict[str, str]


LIBRARIES = ("blake3", "click", "cryptography", "msgspec", "platformdirs", "rich", "tomlkit")


def run(options: VersionOptions, emit: Emit) -> VersionResult:
    """Look at what is installed."""
    del options, emit
    libraries = {}
    for name in LIBRARIES:
        try:
            libraries[name] = version(name)
        except PackageNotFoundError:
            continue
    python = ".".join(map(str, sys.version_info[:3]))
    native = EXTENSION is not None
    return VersionResult(__version__, FORMAT_NUMBER, python, native, libraries)
