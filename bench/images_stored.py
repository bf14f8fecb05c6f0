"""What each kind of backup adds to a repository that has the other one already.

files    a backup of the files of the disk, mounted
image    an image of the disk
changed  another one after one file in a hundred was edited
other    an image of another computer's disk: the same system, another user, other serials
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.images_disks import Disk
from bench.images_program import Imager
from bench.images_verify import Verifier
from bench.images_work import Work
from bench.program import Program
from bench.results import Step


def run(
    disk: Disk,
    programs: tuple[Program, Imager],
    case: str,
    order: Sequence[str],
    verifier: Verifier,
) -> Iterator[Step]:
    """The backups in this order, into one repository; every image is written back and compared.

    Args:
        disk: what is backed up.
        programs: one program twice, as it takes files and as it takes disks.
        case: the name of this.
        order: names of the backups, as above.
        verifier: compares.

    Raises:
        Broken: a backup failed, or an image that came back is not its disk.
    """
    files, images = programs
    with Work(disk, images, case) as work:
        for name in order:
            work.world.number += 1
            with _state(disk, work, name):
                program = files if name == "files" else images
                yield work.step(name, program.backup(work.world))
                if name != "files":
                    work.run(images.restore(work.world))
                    verifier.prove(work.world.source, images.landed(work.world), images)
                    work.clear()


@contextmanager
def _state(disk: Disk, work: Work, name: str) -> Iterator[None]:
    """The world's source is what this backup takes."""
    work.world.source = disk.path
    if name == "files":
        with disk.mounted() as folder:
            work.world.source = folder
            yield
    elif name == "changed":
        with disk.in_second_state():
            yield
    else:
        work.world.source = disk.other if name == "other" else disk.path
        yield
