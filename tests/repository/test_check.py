"""What check tells about things that are no damage, or not where they belong; whom damage hits."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.repository.damages import find_target
from tests.repository.sample import Lab, Sample, back_up
from twofold.backend import LocalBackend, ReadOnly
from twofold.commands import check
from twofold.commands.check import CheckResult
from twofold.errors import UsageError
from twofold.events import Finding, Severity
from twofold.format import names
from twofold.format.index import encode_index
from twofold.format.names import BlobKind, Kind
from twofold.format.records import Root as RootRecord
from twofold.format.records import decode_record, encode_record
from twofold.repository import Author, PackBuilder, Report, Repository
from twofold.repository import check as repository_check
from twofold.repository.report import KEPT


def severities(result: CheckResult) -> set[Severity]:
    return {finding.severity for finding in result.findings}


def only(result: CheckResult) -> Finding:
    (finding,) = result.findings
    return finding


@pytest.fixture
def repository(sample: Sample) -> Repository:
    return sample.open()


def store_pack(repository: Repository, text: bytes = b"of a run that died") -> bytes:
    ident = repository.keys.dedup.blob_id(BlobKind.DATA, text)
    builder = PackBuilder(repository.keys, BlobKind.DATA, 1 << 20)
    builder.add_frame([(ident, len(text))], text)
    pack = builder.finish()
    repository.backend.put(pack.name, b"".join(map(bytes, pack.pieces)))
    return pack.entry.pack.id


# --- things that are no damage -------------------------------------------------------------


def test_a_pack_in_no_index_is_a_note(sample: Sample, repository: Repository) -> None:
    pack = store_pack(repository)
    finding = only(sample.check(read_data=True))
    assert finding.severity is Severity.NOTE and pack.hex() in finding.message
    assert "next backup" in finding.remedy
    back_up(sample)
    assert not sample.check().findings, "and it is true: the next backup takes it over"


def test_nobody_speaks_of_leftovers_while_somebody_is_at_work(
    sample: Sample, repository: Repository
) -> None:
    with repository.begin("writer", Author("pc", "m", "b", 1), "file backup"):
        store_pack(repository)
        finding = only(sample.check(read_data=True))
    assert finding.severity is Severity.NOTE
    assert finding.message.startswith("file backup on pc is at work")


def test_a_damaged_orphan_is_damage_but_hits_nobody(sample: Sample, repository: Repository) -> None:
    pack = store_pack(repository)
    path = sample.store / names.object_name(names.PACKS, pack)
    path.write_bytes(bytes(len(path.read_bytes())))
    result = sample.check(read_data=True)
    assert result.exit_code == 5 and not result.affected
    assert any("nobody can tell what was in it" in f.message for f in result.findings)


@pytest.mark.parametrize(
    "name",
    [
        "readme.txt",
        "README.TXT",
        "packs/zz/stranger",
        "packs/00/ffffffffffffffffffffffffffffffff",
        "keys/desktop.ini",
        "other/00112233445566778899aabbccddeeff",
        "index/sub/00112233445566778899aabbccddeeff",
    ],
)
def test_a_strange_name_is_a_note(name: str, lab: Lab) -> None:
    lab.write(name, b"whatever")
    finding = only(lab.sample.check(read_data=True))
    assert (finding.severity, finding.subject) == (Severity.NOTE, name)


def test_temporary_files_are_summed_up(lab: Lab) -> None:
    for number in range(3):
        lab.write(f"packs/.0badcafe-{number:032x}.tmp", bytes(100))
    finding = only(lab.sample.check())
    assert finding.severity is Severity.NOTE and "3 with 300 bytes" in finding.message


def test_sessions_of_others_and_bodies_never_committed_are_notes(
    sample: Sample, repository: Repository
) -> None:
    session = repository.begin("writer", Author("pc", "m", "b", 1), "file backup")
    root = encode_record(repository.snapshots()[0].root)
    repository.objects.write(Kind.ROOT, names.ROOTS, session.id, root)
    assert [f.subject for f in sample.check().findings] == [f"session {session.id.hex()[:8]}"]
    session.close()
    finding = only(sample.check())
    assert finding.severity is Severity.NOTE and "never committed" in finding.message


def test_the_session_of_a_followed_snapshot_does_not_vanish_unnoticed(lab: Lab) -> None:
    """Not even for a computer that has never seen the repository."""
    second = lab.sample.snapshots[1].hex()
    lab.path(f"sessions/committed/{second}").unlink()
    notes = severities(lab.sample.check())
    assert notes == {Severity.NOTE}, "it was forgotten: its removal was not finished"
    third = lab.sample.snapshots[2].hex()
    lab.path(f"sessions/committed/{third}").unlink()
    result = lab.sample.check()
    assert result.exit_code == 5
    assert any(f.subject == f"snapshot {third[:8]}" for f in result.findings)


def test_check_registers_a_session_and_ends_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = repository_check.check_stored

    def look(repository: Repository, report: Report, own: bytes) -> object:
        seen.append(len(list(repository.objects.ids(names.SESSIONS_OPEN))))
        return real(repository, report, own)

    monkeypatch.setattr(check, "check_stored", look)
    assert not lab.sample.check().findings
    assert seen == [1] and not list(lab.path("sessions/open").iterdir())


def test_a_read_only_store_is_checked(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ReadOnly(LocalBackend(lab.sample.store))
    monkeypatch.setattr("twofold.commands.access.open_backend", lambda _location: store)
    assert not lab.sample.check(read_data=True).findings
    lab.write("KEEP", b"")
    assert only(lab.sample.check()).subject == "KEEP"


# --- levels --------------------------------------------------------------------------------


def test_without_reading_data_a_flipped_bit_in_a_data_pack_stays_unseen(lab: Lab) -> None:
    name = find_target("data-pack", lab, lab).name
    data = bytearray(lab.files[name])
    data[5000] ^= 1
    lab.write(name, bytes(data))
    result = lab.sample.check()
    assert result.exit_code == 0 and result.packs_read == result.bytes_read == 0
    assert lab.sample.check(read_data=True).exit_code == 5


@pytest.mark.parametrize("cut", [1, 64, 40_000, 1_000_000])
def test_a_pack_of_the_wrong_size_is_read_at_any_level(cut: int, lab: Lab) -> None:
    """So that the verdict is exact: what a short cut costs is nothing, a long one some files."""
    name = find_target("data-pack", lab, lab).name
    lab.write(name, lab.files[name][:-cut])
    result = lab.sample.check()
    assert result.exit_code == 5
    assert bool(result.affected) == (cut == 1_000_000)
    assert f"{cut:,} bytes are cut off it" in result.findings[0].message


def test_metadata_damage_is_found_at_any_level(lab: Lab) -> None:
    name = find_target("metadata-pack", lab, lab).name
    data = bytearray(lab.files[name])
    data[200] ^= 1
    lab.write(name, bytes(data))
    result = lab.sample.check()
    assert result.exit_code == 5 and not result.affected


def test_partial_snapshots_are_followed_too(lab: Lab) -> None:
    (lab.sample.source / "late").write_bytes(os.urandom(2000))
    before = lab.sample.check().snapshots
    back_up(lab.sample, partial_seconds=0.0)
    result = lab.sample.check()
    assert result.snapshots > before + 1 and not result.findings


def test_a_share_without_reading_makes_no_sense(sample: Sample) -> None:
    for options in ({"subset": 5.0}, {"read_data": True, "subset": 0.0}):
        with pytest.raises(UsageError):
            sample.check(**options)


# --- who is hit ----------------------------------------------------------------------------


def test_exactly_the_files_of_a_missing_pack_are_named(lab: Lab) -> None:
    """The pack of the second big file: snapshots 2 to 4 miss it, and what else lay in the pack."""
    sample = lab.sample
    packs = [n for n in lab.names("packs") if len(lab.files[n]) > 1 << 20]
    hit = {}
    for name in packs:
        lab.path(name).unlink()
        result = sample.check()
        lab.undo()
        paths = {path for each in result.affected for path in each.paths}
        big = next(path for path in paths if path.endswith((b"big0", b"big1")))
        hit[big[-4:]] = (tuple(each.id for each in result.affected), result, paths)
    ids, result, paths = hit[b"big1"]
    assert ids == sample.snapshots[1:]
    source = os.fsencode(sample.source)
    assert paths == {source + b"/big1"} | {
        source + b"/dir1/deep/file%d.txt" % number for number in range(12)
    }
    assert all(
        str(sample.source / "big1") in f.message for f in result.findings if "snapshot" in f.subject
    )


def test_a_pack_under_another_name_is_told_by_the_name_it_should_have(lab: Lab) -> None:
    name = find_target("data-pack", lab, lab).name
    lab.path(name).unlink()
    lab.write(names.object_name(names.PACKS, bytes(16)), lab.files[name])
    result = lab.sample.check()
    assert any(
        f.subject == f"pack {bytes(16).hex()}" and name[-32:] in f.message for f in result.findings
    )
    assert result.affected


def test_many_paths_are_cut_off_after_some(lab: Lab) -> None:
    for name in lab.names("packs"):
        if lab.files[name][10] == Kind.DATA_PACK:
            lab.path(name).unlink()
    result = lab.sample.check()
    newest = result.affected[-1]
    assert len(newest.paths) == 20 and newest.more
    assert [each.id for each in result.affected] == list(lab.sample.snapshots)


def test_lost_metadata_names_the_folders(lab: Lab) -> None:
    metas = [n for n in lab.names("packs") if lab.files[n][10] == Kind.META_PACK]
    for name in metas:
        lab.path(name).unlink()
    result = lab.sample.check()
    assert {path for each in result.affected for path in each.paths} == {b"/"}
    assert all(each.listings == 1 for each in result.affected)


def test_two_index_objects_that_disagree_are_damage(sample: Sample, repository: Repository) -> None:
    run = repository.load_index().runs[BlobKind.DATA][0]
    entry = run.pack_entries()[0]
    other = type(entry)(entry.pack, entry.frames[:-1])
    repository.objects.write(Kind.DATA_INDEX, names.INDEX, names.new_id(), encode_index([other]))
    result = sample.check()
    assert result.exit_code == 5
    assert any("says something else of pack" in finding.message for finding in result.findings)


def rewrite_root(lab: Lab, which: int, change: Callable[[RootRecord], RootRecord]) -> None:
    ident = lab.sample.snapshots[which]
    with lab.sample.open() as repository:
        name = names.object_name(names.ROOTS, ident)
        contents, _ = repository.keys.open_small(Kind.ROOT, ident, lab.files[name])
        root = change(decode_record(contents, RootRecord))
        lab.write(name, repository.keys.seal_small(Kind.ROOT, ident, encode_record(root)))


def _other_time(root: RootRecord) -> RootRecord:
    return msgspec.structs.replace(root, time_ns=root.time_ns + 1)


def _other_number(root: RootRecord) -> RootRecord:
    return msgspec.structs.replace(root, chain=msgspec.structs.replace(root.chain, sequence=9))


def _other_digest(root: RootRecord) -> RootRecord:
    return msgspec.structs.replace(
        root, chain=msgspec.structs.replace(root.chain, digest=bytes(32))
    )


def _other_source(root: RootRecord) -> RootRecord:
    return msgspec.structs.replace(
        root, chain=msgspec.structs.replace(root.chain, source=b"x" * 16)
    )


@pytest.mark.parametrize("change", [_other_time, _other_number, _other_digest, _other_source])
@pytest.mark.parametrize("which", [0, 2])
def test_a_broken_chain_is_damage(
    which: int, change: Callable[[RootRecord], RootRecord], lab: Lab
) -> None:
    rewrite_root(lab, which, change)
    result = lab.sample.check()
    assert result.exit_code == 5
    assert any("does not follow from the snapshot before it" in f.message for f in result.findings)


def test_a_chain_whose_beginning_was_removed_is_whole(lab: Lab) -> None:
    for ident in lab.sample.snapshots[:2]:
        for folder in (names.SESSIONS_COMMITTED, names.ROOTS, names.FORGOTTEN):
            lab.path(f"{folder}/{ident.hex()}").unlink()
    assert not lab.sample.check().findings


# --- the report ----------------------------------------------------------------------------


def test_a_report_is_bounded_and_says_so() -> None:
    told: list[object] = []
    report = Report(told.append)
    for number in range(KEPT + 50):
        report.damage("packs", f"pack {number}", "it is missing")
        report.note("names", f"name {number % 3}", "strange")
    report.close()
    assert report.counts[Severity.DAMAGE] == KEPT + 50 and report.counts[Severity.NOTE] == 3
    assert report.findings[-1] == Finding(
        Severity.DAMAGE, "packs", "50 more findings like those above"
    )
    assert len(told) == len(report.findings) == KEPT + 3 + 1


def test_many_strange_files_do_not_flood(lab: Lab, tmp_path: Path) -> None:
    lab.path("strange").mkdir()
    for number in range(300):
        lab.path(f"strange/file{number}").touch()
    result = lab.sample.check()
    assert result.notes == 300 and len(result.findings) == KEPT + 1


def test_events_come_from_one_thread(sample: Sample) -> None:
    import threading

    threads = set()
    options = check.CheckOptions(access=sample.access, read_data=True)
    check.run(options, lambda _event: threads.add(threading.get_ident()))
    assert threads == {threading.get_ident()}
