"""Whether a disk that was written back is the one that was imaged.

Programs that copy every byte are compared byte by byte. Of the others, which leave out what is not
in use, the main partition must give the same stream of used blocks, by the tool of its file system,
and the disk around it must be the same.
"""

import hashlib
import os
import subprocess
from pathlib import Path
from subprocess import DEVNULL, PIPE

from bench.contents import MIB
from bench.debian import call
from bench.images_disks import START, Disk
from bench.images_mounts import looped
from bench.images_program import Imager
from bench.measure import Broken

Words = tuple[str, ...]
STREAMS: dict[str, Words] = {
    "ntfs": ("ntfsclone", "--quiet", "--save-image", "--output", "-"),
    "ext4": ("partclone.ext4", "-q", "-c", "-L", "/dev/null", "-o", "-", "-s"),
}


class Verifier:
    """Compares with the disks of one computer; what is asked of a source is asked once."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._known: dict[tuple[Words, str, int], str] = {}

    def prove(self, source: Path, found: Path, program: Imager) -> None:
        """Compare what a program brought back.

        Raises:
            Broken: it is not the source.
        """
        if not found.is_file():
            raise Broken(f"a restore made no {found.name}")
        if found.suffix == ".qcow2":
            raw = found.with_suffix(".converted")
            call(["qemu-img", "convert", "-O", "raw", str(found), str(raw)], found.parent)
            found = raw
        if program.scope == "disk":
            call(["cmp", str(source), str(found)], found.parent)
            return
        if program.scope == "used":
            self._prove_frame(source, found)
        elif found.stat().st_size < self._disk.size:
            os.truncate(found, self._disk.size)  # the partition would be there on a disk
        start = START if program.scope == "used" else 0
        tool = program.proof or STREAMS[self._disk.kind]
        if self._of_source(source, tool) != self._stream(found, start, tool):
            raise Broken("the used blocks that came back are not those of the source")

    def _of_source(self, source: Path, tool: Words) -> str:
        key = tool, source.name, source.stat().st_ino
        if key not in self._known:
            self._known[key] = self._stream(source, START, tool)
        return self._known[key]

    def _stream(self, path: Path, start: int, tool: Words) -> str:
        """The digest of all blocks in use."""
        digest = hashlib.sha256()
        with looped(path, start, self._disk.size) as device:
            words = [*tool, str(device)]
            with subprocess.Popen(words, stdout=PIPE, stderr=DEVNULL) as stream:
                assert stream.stdout
                while piece := stream.stdout.read(MIB):
                    digest.update(piece)
            if stream.returncode:
                raise Broken(f"{words[0]} does not read {path.name}")
        return digest.hexdigest()

    def _prove_frame(self, source: Path, found: Path) -> None:
        size, end = source.stat().st_size, START + self._disk.size
        if found.stat().st_size != size:
            raise Broken(f"{found.name} has another size")
        for start, length in ((0, START), (end, size - end)):
            words = ["cmp", f"--ignore-initial={start}", f"--bytes={length}"]
            call([*words, str(source), str(found)], found.parent)
