"""A repository to image into, and restores onto files full of 0xA5."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.archiver.world import World
from twofold.disk.blocks import FileBlocks
from twofold.events import Event
from twofold.format.image import ImagePage
from twofold.format.layout import Buffer
from twofold.graph import PageStore
from twofold.imaging import (
    DiskRestored,
    ImageRequest,
    capture,
    open_source,
    plan_restore,
    restore_disk,
)
from twofold.imaging.plan import Target
from twofold.imaging.volume import VolumeOptions
from twofold.pipeline import Outcome
from twofold.platform import current


class FileTarget:
    """A file that is written like a disk."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR)

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._fd, length, offset)

    def write_at(self, data: Buffer, offset: int) -> None:
        assert os.pwrite(self._fd, data, offset) == len(data)

    def write_zeros(self, offset: int, length: int) -> None:
        self.write_at(bytes(length), offset)

    def sync(self) -> None:
        os.fsync(self._fd)


@dataclass
class ImageWorld(World):
    """Images of files."""

    def image(self, disk: Path, **options: Any) -> tuple[Outcome, list[Event]]:
        told: list[Event] = []
        with open(disk, "rb") as file, self.open() as repository:
            source = open_source(FileBlocks(file))
            request = ImageRequest(path=os.fsencode(disk), options=VolumeOptions(**options))
            return capture(repository, current(), source, request, told.append).outcome, told

    def image_page(self) -> ImagePage:
        """What the newest image says of its disk."""
        with self.open() as repository:
            root = repository.snapshots()[-1].root
            assert root.image is not None
            return PageStore(repository.blob_reader(repository.load_index())).image(root.image)

    def restore_image(
        self, to: Path, part: int | None = None, fill: bytes = b"\xa5"
    ) -> DiskRestored:
        """The newest image onto a file that is full of something else."""
        with self.open() as repository:
            root = repository.snapshots()[-1].root
            pages = PageStore(repository.blob_reader(repository.load_index()))
            assert root.image is not None
            page = pages.image(root.image)
            size = page.size if part is None else page.volumes[part].size
            with open(to, "wb") as file:
                for at in range(0, size, 1 << 20):
                    file.write(fill * min(1 << 20, size - at))
            target = Target(os.fsencode(to), size, 512, is_device=False, fresh=fill == b"\0")
            plan = plan_restore(page, target, part)
            return restore_disk(pages, repository.keys, plan, FileTarget(to), lambda _: None)
