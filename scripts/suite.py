"""Everything that must hold before a change is accepted, in the order of cheapness.

Tools of the system that tests use as oracles or fixtures are installed through apt-get when that
is possible and named otherwise: a suite that silently skips is no suite.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.environment import BIN, ROOT, Trouble, ready, say

DEBIAN_PACKAGES = (  # package, and the command that it brings
    ("acl", "setfacl"),
    ("attr", "setfattr"),
    ("btrfs-progs", "mkfs.btrfs"),
    ("cryptsetup-bin", "cryptsetup"),
    ("dosfstools", "mkfs.vfat"),
    ("e2fsprogs", "mkfs.ext4"),
    ("exfat-fuse", "mount.exfat-fuse"),
    ("exfatprogs", "mkfs.exfat"),
    ("fdisk", "sfdisk"),
    ("gcc", "gcc"),
    ("gdisk", "sgdisk"),
    ("genisoimage", "genisoimage"),
    ("git", "git"),
    ("libc6-dev", "/usr/include/stdlib.h"),
    ("libcap2-bin", "setcap"),
    ("libhivex-bin", "hivexsh"),
    ("libnbd-bin", "nbdfuse"),
    ("lvm2", "pvcreate"),
    ("mdadm", "mdadm"),
    ("mount", "losetup"),
    ("mtools", "mshowfat"),
    ("ntfs-3g", "mkntfs"),
    ("partclone", "partclone.xfs"),
    ("qemu-utils", "qemu-img"),
    ("rsync", "rsync"),
    ("strace", "strace"),
    ("util-linux", "unshare"),
    ("wimtools", "wimcapture"),
    ("xfsprogs", "mkfs.xfs"),
    ("zstd", "zstd"),
)

CHECKS = (
    ("ruff", ["ruff", "check", "."]),
    ("mypy, as on Linux", ["mypy", "--platform", "linux"]),
    ("mypy, as on Windows", ["mypy", "--platform", "win32"]),
    ("mypy, tests, scripts, bench", ["mypy", "tests", "scripts", "bench"]),
    ("layers", ["lint-imports", "--no-logo"]),
)


def run(pytest_words: Sequence[str]) -> int:
    """Run all checks and the tests; 0 only when every one of them passed."""
    if sys.platform == "linux":
        _tools()
    ready("test")
    outcomes = [_step(name, words) for name, words in CHECKS]
    outcomes.append(_step("pytest", ["pytest", *pytest_words]))
    say("")
    for name, seconds, code in outcomes:
        say(f"  {'passed' if code == 0 else 'FAILED'}  {seconds:7.1f} s  {name}")
    return int(any(code for _, _, code in outcomes))


def _step(name: str, words: Sequence[str]) -> tuple[str, float, int]:
    say(f"\n=== {name}: {' '.join(words)}")
    started = time.monotonic()
    suffix = ".exe" if os.name == "nt" else ""
    child = subprocess.Popen([str(BIN / (words[0] + suffix)), *words[1:]], cwd=ROOT)
    try:
        code = child.wait()
    except KeyboardInterrupt:
        child.wait()  # interrupted as well, it tells how far it has come
        raise
    return name, time.monotonic() - started, code


def _tools() -> None:
    """Install the missing tools of the system, or say which and how."""
    missing = _missing()
    if not missing:
        return
    line = f"apt-get install --yes --no-install-recommends {' '.join(missing)}"
    if not shutil.which("apt-get"):
        raise Trouble(f"the tests need these tools, named as in Debian: {', '.join(missing)}")
    if os.geteuid() != 0:
        raise Trouble(f"the tests need {', '.join(missing)}; run: sudo {line}")
    say(f"Installing {', '.join(missing)} ...")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=quiet, check=False)
    code = subprocess.call([*line.split(), "-qq"], env=quiet, stdout=sys.stderr)
    if code or _missing():
        raise Trouble(f"apt-get did not install {', '.join(_missing())}; run: {line}")


def _missing() -> list[str]:
    """Packages whose command is not there."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    missing = [name for name, tool in DEBIAN_PACKAGES if not shutil.which(tool, os.F_OK, path)]
    header = Path(sysconfig.get_path("include"), "Python.h")
    return missing if header.exists() else [*missing, "python3-dev"]
