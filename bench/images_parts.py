"""The parts of the image benchmark: for each its disks are made, measured, and removed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import images_cases, images_make, images_stored
from bench.images_cases import FILES_FIRST, IMAGE_FIRST, KINDS, PLAIN, PRESSED
from bench.images_disks import Disk
from bench.images_installed import Programs
from bench.images_peers import ON_DISK, PAIRS, PEERS, TwofoldImage
from bench.images_times import OneFile, keep, rounds
from bench.images_verify import Verifier
from bench.images_work import Work, steps
from bench.measure import Broken
from bench.peers import Twofold
from bench.places import Place, free_bytes, remove
from bench.results import Results
from bench.rounds import tell

SIZE = 1_250_000_000  # bytes of files on a disk
PRESSED_PART = 0.25  # of that, on the disks where NTFS compresses
MANY = 100_000  # files, of which one is wanted
ROOM = 7.5  # of tmpfs, in bytes of files: three disks, a repository, what is written back
PARTS = (*KINDS, "lznt1", "one file", "disk")
DISK_PART = 0.5  # of the bytes of files, on the disk: enough to be ruled by it, and in time


@dataclass(frozen=True, slots=True)
class Parts:
    """All parts at one scale; what they find goes into the results."""

    place: Place
    scale: float
    rounds: int
    programs: Programs
    found: Results
    disk: Place | None = None
    """For what is measured from and to a disk."""

    def measure(self, name: str) -> None:
        """One of ``PARTS``.

        Raises:
            Broken: there is not enough room, or a disk could not be made.
        """
        if name in KINDS:
            self._computers(name)
        elif name == "lznt1":
            for compress in (False, True):
                self._pressed(compress)
        elif name == "disk":
            for kind in KINDS:
                self._on_disk(kind)
        else:
            for kind in KINDS:
                self._one_file(kind)

    def _computers(self, kind: str) -> None:
        size = int(SIZE * self.scale)
        if free_bytes(self.place) < ROOM * size:
            raise Broken(
                f"this needs {ROOM * size / 1e9:.1f} GB free in {self.place.folder}; "
                "a smaller --scale needs less"
            )
        with self._folder(kind) as folder:
            disk = images_make.computers(kind, folder, size)
            for order in (FILES_FIRST, IMAGE_FIRST):
                self._stored(disk, images_cases.stored(kind, order), order)
            disk.cut_out()
            case = self._opened(images_cases.times(kind), disk)
            programs = self.programs.all(PEERS[kind])
            rounds(disk, case, programs, self.found, self.rounds)

    def _on_disk(self, kind: str) -> None:
        if self.disk is None:
            raise Broken("there is no folder on a disk")
        with self._folder(kind, self.disk) as folder:
            disk = images_make.computers(kind, folder, int(SIZE * self.scale * DISK_PART))
            disk.cut_out()
            case = self._opened(images_cases.on_disk(kind), disk)
            programs = self.programs.all(ON_DISK[kind])
            rounds(disk, case, programs, self.found, self.rounds, self.disk)

    def _stored(self, disk: Disk, case: str, order: tuple[str, ...], only: str = "") -> None:
        """Every program backs up in this order; with ``only`` one of them."""
        self._opened(case, disk)
        verifier = Verifier(disk)
        for kinds in PAIRS:
            files, images = self.programs.get(kinds[0]), self.programs.get(kinds[1])
            if files and images and only in ("", images.name):
                made = images_stored.run(disk, (files, images), case, order, verifier)
                keep(made, self.found, case, images.name)

    def _pressed(self, compress: bool) -> None:
        with self._folder("lznt1") as folder:
            size = int(SIZE * PRESSED_PART * self.scale)
            disk = images_make.pressed(folder, size, compress)
            case = PRESSED if compress else PLAIN
            self._stored(disk, case, FILES_FIRST[:2], only=Twofold.name)

    def _one_file(self, kind: str) -> None:
        ours = self.programs.get(TwofoldImage)
        if ours is None:
            return
        with self._folder("many") as folder:
            disk, name = images_make.many_files(kind, folder, int(MANY * self.scale))
            case = self._opened(images_cases.one_file(kind), disk)
            program = OneFile(Path(ours.command), name, folder / "wanted")
            for number in range(1, self.rounds + 1):
                with Work(disk, program, case, number) as work:
                    keep(steps(work, disk, program, None), self.found, case, program.name)

    def _opened(self, case: str, disk: Disk) -> str:
        """Say what the input of a case is; the case."""
        self.found.open_case(case, disk.files, disk.used)
        for name in ("changed", "own", "pressed"):
            self.found.tell(case, name, float(getattr(disk, name)))
        return case

    @contextmanager
    def _folder(self, name: str, place: Place | None = None) -> Iterator[Path]:
        """A folder for the disks of one part, empty at first and gone at the end."""
        folder = (place or self.place).folder / name
        remove(folder)
        tell(f"making the disks for {name} ...")
        try:
            yield folder
        finally:
            remove(folder)
