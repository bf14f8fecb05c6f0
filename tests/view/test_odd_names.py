"""Names that a file system allows and a path does not."""

from pathlib import Path

from tests.disk import ntfs_volumes
from tests.restorer.place import Place
from tests.view.images import image_of
from tests.view.test_image_files import read

MIB = 1 << 20


def test_names_that_paths_cannot_hold_are_spelled(place: Place, tmp_path: Path) -> None:
    """As programs for Unix on Windows can make them; none of them leads out of the target."""
    image = tmp_path / "volume"
    ntfs_volumes.make(image, size=16 * MIB, cluster=4096)
    renamed = {"QQZout": "../out", "slZsh": "sl/sh", "nQl": "n\0l", "QQ": ".."}
    with ntfs_volumes.mounted(image) as folder:
        for stands_for in renamed:
            (folder / stands_for).mkdir()
            (folder / stands_for / "file").write_bytes(stands_for.encode())
    data = image.read_bytes()
    for before, after in renamed.items():
        data = data.replace(before.encode("utf-16-le"), after.encode("utf-16-le"))
    image.write_bytes(data)
    image_of(place, image)
    result = place.restore("latest:p1:/")
    assert (result.exit_code, place.warnings(), place.damage()) == (0, [], [])
    spelled = {r"..\x2fout", r"sl\x2fsh", r"n\x00l", r"\x2e\x2e"}
    assert {path.name for path in place.target.iterdir()} == spelled
    assert not (place.target.parent / "out").exists()
    assert read(place, r"latest:p1:/sl\x2fsh/file") == b"slZsh"
