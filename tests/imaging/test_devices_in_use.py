"""A disk that is in use: what was looked at first may be old when its turn comes."""

import os
import random
from contextlib import closing
from pathlib import Path

from tests.imaging.disks import MIB, gpt_disk, make_ext4, run, starts
from tests.imaging.world import ImageWorld
from tests.platform.loops import loop, mounted
from twofold.commands.disk_image import looked_at
from twofold.imaging import ImageRequest, capture
from twofold.platform import current


def test_a_partition_is_read_as_it_is_when_its_turn_comes(
    world: ImageWorld, tmp_path: Path
) -> None:
    """Partitions have a memory of their own in the system, apart from that of their disk."""
    rng = random.Random(1)
    volume, disk, back = tmp_path / "volume", tmp_path / "disk", tmp_path / "back"
    (world.source / "old").write_bytes(rng.randbytes(300_000))
    make_ext4(volume, world.source, 16 * MIB)
    gpt_disk(disk, [(volume, "8300")])
    inside = "--offset", str(starts(disk)[0]), "--sizelimit", str(16 * MIB)
    with loop(disk) as device, closing(current().open_disk(os.fsencode(device))) as reader:
        source, _ = looked_at(reader, os.fsencode(device))
        with loop(disk, *inside) as partition, mounted(partition, tmp_path / "mnt") as place:
            (place / "old").unlink()
            wanted = {f"new {n}": rng.randbytes(3000 * n) for n in range(1, 9)}
            for name, data in wanted.items():
                (place / name).write_bytes(data)
        with world.open() as repository:
            request = ImageRequest(path=os.fsencode(device))
            capture(repository, current(), source, request, lambda _: None)
    world.restore_image(back, part=1)
    run("e2fsck", "-fn", back)
    assert {name: run("debugfs", "-R", f'cat "/{name}"', back) for name in wanted} == wanted
