"""The peers, fetched once into a folder of the benchmark's own by the tools of their languages.

Each ladder ends in a program that starts and is new enough, or in a sentence that says why there is
none: a peer that cannot be had is named in the report, and the others are measured without it. What
is already in the folder is taken as it is; else what the PATH has, if it is new enough. A refusal
is noted in the folder, in NAME.refused, and taken as final until that file is removed.
"""

import json
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

from bench import debian
from bench.debian import call
from bench.measure import Broken

OLDEST = {"restic": (0, 18), "borg": (1, 2), "kopia": (0, 17), "rustic": (0, 9)}
KOPIA_VERSIONS = ("latest", "v0.22.3", "v0.21.1")
BORG_HEADERS = (  # what borg's own C code is compiled against
    "libacl1-dev",
    "libattr1-dev",
    "liblz4-dev",
    "libssl-dev",
    "libxxhash-dev",
    "libzstd-dev",
)


def find(tool: str, cache: Path) -> Path:
    """The command of a peer, installed into the folder when it is not yet there.

    Raises:
        Broken: it cannot be had; the reason.
    """
    if tool not in INSTALLERS:
        return _on_path(tool)
    place, install = cache / PLACES[tool], INSTALLERS[tool]
    for candidate in (place, shutil.which(tool)):
        if candidate and _new_enough(tool, Path(candidate)):
            return Path(candidate)
    refused = cache / f"{tool}.refused"
    if refused.exists():
        raise Broken(refused.read_text("utf-8"))
    if tool in COMPILERS:
        _on_path(COMPILERS[tool])
    print(f"installing {tool} into {cache} ...", file=sys.stderr, flush=True)
    cache.mkdir(parents=True, exist_ok=True)
    try:
        install(cache)
    except Broken as reason:
        refused.write_text(str(reason), "utf-8")
        raise
    if not _new_enough(tool, place):
        oldest = ".".join(map(str, OLDEST[tool]))
        raise Broken(f"what was installed does not start or is older than {oldest}")
    return place


def _on_path(tool: str) -> Path:
    found = shutil.which(tool)
    if not found:
        raise Broken(f"there is no {tool} here")
    return Path(found)


def _new_enough(tool: str, command: Path) -> bool:
    """Whether the command starts and says a version that is not too old."""
    word = "version" if tool == "restic" else "--version"
    try:
        said = subprocess.run([command, word], capture_output=True, text=True, check=False)
    except OSError:
        return False
    numbers = re.search(r"(\d+)\.(\d+)", said.stdout + said.stderr)
    return numbers is not None and tuple(map(int, numbers.groups())) >= OLDEST[tool]


def _restic(cache: Path) -> None:
    debian.unpack(["restic"], cache / "restic", suite="trixie")


def _borg(cache: Path) -> None:
    """From source into an environment of its own; with Debian's headers if the system has none."""
    python = cache / "borg" / "bin" / "python"
    call([sys.executable, "-m", "venv", "--clear", str(cache / "borg")], cache)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        call([*pip, "borgbackup"], cache)
    except Broken:
        call([*pip, "borgbackup"], cache, _headers(cache / "headers"))


def _headers(place: Path) -> dict[str, str]:
    """Headers beside the system, whose libraries are the system's; the variables that say where."""
    root = debian.unpack(BORG_HEADERS, place) / "usr"
    triplet = str(sysconfig.get_config_var("MULTIARCH"))
    for link in (root / "lib" / triplet).glob("*.so"):
        if not link.exists():  # it points to a file of the library's package
            installed = Path("/usr/lib", triplet, link.readlink().name)
            link.unlink()
            link.symlink_to(installed)
    prefixes = ("OPENSSL", "LIBLZ4", "LIBZSTD", "LIBXXHASH", "LIBACL")
    return {
        "CPATH": f"{root}/include:{root}/include/{triplet}",
        "LIBRARY_PATH": f"{root}/lib/{triplet}",
        **{f"BORG_{name}_PREFIX": str(root) for name in prefixes},
    }


def _kopia(cache: Path) -> None:
    """The newest version that the proxy gives, built where its source was unpacked.

    ``go install`` would also ask for the list of all versions, which not every proxy has. A build
    from a module's source does not know its version, so it is told.
    """
    folders = {"GOPATH": str(cache / "go"), "GOFLAGS": "-modcacherw"}
    source, version = _kopia_source(cache, folders)
    told = f"-X github.com/kopia/kopia/repo.BuildVersion={version.removeprefix('v')}"
    words = ["build", "-C", source, "-ldflags", told, "-o", str(cache / PLACES["kopia"]), "."]
    call(["go", *words], cache, folders)


def _kopia_source(cache: Path, folders: dict[str, str]) -> tuple[str, str]:
    """Where the source of the first version that can be had is, and that version."""
    refusals = []
    for wanted in KOPIA_VERSIONS:
        words = ["go", "mod", "download", "-json", f"github.com/kopia/kopia@{wanted}"]
        try:
            answer = json.loads(call(words, cache, folders))
        except Broken as refusal:
            refusals.append(str(refusal))
        else:
            return str(answer["Dir"]), str(answer["Version"])
    raise Broken(refusals[0])


def _rustic(cache: Path) -> None:
    """Without its extras (terminal UI, WebDAV, metrics), which no measured command uses."""
    words = ["install", "--locked", "--no-default-features", "rustic-rs"]
    call(["cargo", *words, "--root", str(cache / "rustic")], cache)


INSTALLERS: dict[str, Callable[[Path], None]] = {
    "restic": _restic,
    "borg": _borg,
    "kopia": _kopia,
    "rustic": _rustic,
}
COMPILERS = {"kopia": "go", "rustic": "cargo"}
PLACES = {
    "restic": "restic/usr/bin/restic",
    "borg": "borg/bin/borg",
    "kopia": "kopia/kopia",
    "rustic": "rustic/bin/rustic",
}
