"""A partition that an image does not have: one answer of all verbs, as for a backup."""

from pathlib import Path

import pytest

from tests.imaging.disks import MIB, gpt_disk, make_ext4

from .world import Program

VERBS = {
    "ls": ["ls", "latest:p{}:/"],
    "cat": ["cat", "latest:p{}:/file"],
    "restore": ["restore", "latest:p{}:/", "--to", "out"],
    "find": ["find", "file", "--snapshot", "latest:p{}:/"],
    "diff": ["diff", "latest:p{}:/", "latest:p1:/"],
    "diff, second": ["diff", "latest:p1:/", "latest:p{}:/"],
    "stats": ["stats", "latest:p1:/", "latest:p{}:/"],
    "versions": ["versions", "latest:p{}:/file"],
    "export": ["export", "latest:p{}", "out.raw"],
    "export --part": ["export", "latest", "--part", "{}", "out.raw"],
    "restore-disk": ["restore-disk", "latest:p{}", "--to", "out.raw", "--yes"],
}


@pytest.fixture
def imaged(twofold: Program, tmp_path: Path) -> Program:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_bytes(b"file")
    for number in (1, 2):
        make_ext4(tmp_path / f"root{number}", tmp_path / "tree", 4 * MIB)
    gpt_disk(tmp_path / "disk", [(tmp_path / "root1", "8300"), (tmp_path / "root2", "8300")])
    twofold("image", str(tmp_path / "disk"), code=0)
    return twofold


def test_every_verb_says_the_same(imaged: Program) -> None:
    for number in (9, 0):  # 0 is no partition either, though images count so what is outside
        for verb, words in VERBS.items():
            asked = [word.format(number) for word in words]
            wanted = f"the image has no partition {number}"
            said = imaged(*asked, code=2)
            assert f"{wanted}\n" in said.err and "it has p1, p2" in said.err, verb
            if verb != "cat":  # which has no room for records
                (error,) = imaged(*asked, "--json", code=2).of("error")
                told = error["kind"], error["message"], error["hint"]
                assert told == ("SnapshotNotFound", wanted, "it has p1, p2"), verb
    assert not list(imaged.place.glob("out*"))


def test_a_backup_of_files_has_none_by_its_kind(twofold: Program, sample: Path) -> None:
    assert sample.exists()
    twofold("backup", "sample", code=0)
    for verb, words in VERBS.items():
        if verb != "cat":
            ended = twofold(*(word.format(1) for word in words), "--json", code=2)
            assert [error["kind"] for error in ended.of("error")] == ["UsageError"], verb
    twofold("cat", "latest:p1:/file", code=2)
