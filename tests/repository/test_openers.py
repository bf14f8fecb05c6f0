"""Opening a damaged repository: any one flipped bit in config or key slot is made up for."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.repository.damages import find_target
from tests.repository.sample import PASSWORD, Lab, Sample, back_up
from twofold.backend import LocalBackend, ObjectInfo
from twofold.errors import (
    DamageFound,
    NewerFormat,
    ObjectDamaged,
    RefusedUnsafe,
    RepositoryNotFound,
    TwofoldError,
    WrongKey,
)
from twofold.events import Severity, ignore
from twofold.format import names
from twofold.format.envelope import HEADER, mirror, second_copy_start
from twofold.format.names import Kind
from twofold.format.records import encode_record
from twofold.repository import Author, Report, Repository, Survey, open_repository
from twofold.repository.check_objects import OpenersCheck
from twofold.repository.report import KEPT


def open_with(sample: Sample, secret: bytes | None = None) -> None:
    key = secret or sample.recovery_key.encode()
    open_repository(LocalBackend(sample.store), key).close()


def patched(data: bytes, *changes: tuple[int, int]) -> bytes:
    """The bytes with some of them xored."""
    changed = bytearray(data)
    for place, mask in changes:
        changed[place] ^= mask
    return bytes(changed)


def both(lab: Lab, name: str, place: int, mask: int) -> bytes:
    """An object damaged at the same place of both its copies."""
    data = lab.files[name]
    return patched(data, (place, mask), (second_copy_start(len(data)) + place, mask))


@pytest.mark.parametrize("kind", ["config", "config-copy", "key-slot-in-use"])
def test_any_flipped_bit_of_one_copy_is_made_up_for(kind: str, lab: Lab) -> None:
    name = find_target(kind, lab, lab).name
    data = lab.files[name]
    end = data.rindex(b"\0" * 512) if b"\0" * 512 in data else len(data)
    copy = len(data) - second_copy_start(len(data))
    assert 200 < copy <= end
    for place in range(copy):
        lab.write(name, patched(data, (place, 1 << place % 8)))
        open_with(lab.sample)


@pytest.mark.parametrize("kind", ["config", "key-slot-in-use"])
@pytest.mark.parametrize("place", [n for n in range(0, 200, 3) if n not in (98, 99)])
def test_damage_of_both_copies_is_refused_with_its_name(kind: str, place: int, lab: Lab) -> None:
    """In the config the other file helps; a slot that is gone leaves the other keys.

    (Bytes 98 and 99 of a slot are reserved, and not looked at.)
    """
    name = find_target(kind, lab, lab).name
    lab.write(name, both(lab, name, place, 0x10))
    if kind == "config":
        open_with(lab.sample)
        assert lab.sample.check().exit_code == 5
        return
    with pytest.raises((WrongKey, ObjectDamaged)):
        open_with(lab.sample)


def test_the_right_key_of_a_damaged_slot_is_not_called_wrong(lab: Lab) -> None:
    name = find_target("key-slot-in-use", lab, lab).name
    lab.write(name, both(lab, name, 170, 1))  # in the sealed payload
    with pytest.raises(ObjectDamaged, match="is right, but its key slot is damaged"):
        open_with(lab.sample)


def test_a_config_of_another_repository_is_told_from_our_own(lab: Lab, foreign_lab: Lab) -> None:
    for name in ("config", "config.copy"):
        lab.write(name, foreign_lab.files[name])
        open_with(lab.sample)
        assert lab.sample.check().exit_code == 5
        lab.undo()
    for name in ("config", "config.copy"):
        lab.write(name, foreign_lab.files[name])
    with pytest.raises(TwofoldError) as caught:
        open_with(lab.sample)
    assert caught.value.exit_code in (5, 12)


# --- exit codes of what cannot be opened ---------------------------------------------------


def test_a_wrong_password_is_12(sample: Sample) -> None:
    with pytest.raises(WrongKey) as caught:
        open_with(sample, b"not this one")
    assert caught.value.exit_code == 12


def test_an_empty_folder_is_10(sample: Sample, tmp_path: object) -> None:
    with pytest.raises(RepositoryNotFound) as caught:
        open_repository(LocalBackend(str(tmp_path)), b"anything")
    assert caught.value.exit_code == 10


def test_a_config_emptied_in_both_files_is_5(lab: Lab) -> None:
    for name in ("config", "config.copy"):
        lab.write(name, b"")
    with pytest.raises(DamageFound) as caught:
        open_with(lab.sample)
    assert caught.value.exit_code == 5


def newer(data: bytes) -> bytes:
    """The object with format number 9 in both copies."""
    place = second_copy_start(len(data)) + 8
    return data[:8] + b"\x09" + data[9:place] + b"\x09" + data[place + 1 :]


def test_a_newer_format_is_1_and_says_so(lab: Lab) -> None:
    for name in ("config", "config.copy"):
        lab.write(name, newer(lab.files[name]))
    with pytest.raises(NewerFormat, match="newer Twofold") as caught:
        open_with(lab.sample)
    assert caught.value.exit_code == 1


def test_key_slots_of_another_number_are_damage(lab: Lab) -> None:
    """A repository has one number, that of its configuration."""
    for name in lab.names("keys"):
        lab.write(name, newer(lab.files[name]))
    with pytest.raises(ObjectDamaged, match="format 9"):
        open_with(lab.sample)


@pytest.mark.parametrize("kind", ["key-slot", "root", "data-index", "tombstone", "session"])
def test_an_object_of_another_number_is_damage_for_check(kind: str, lab: Lab) -> None:
    name = find_target(kind, lab, lab).name
    lab.write(name, newer(lab.files[name]))
    result = lab.sample.check(read_data=True)
    assert result.exit_code == 5
    assert any("format 9" in finding.message for finding in result.findings)


def test_a_number_damaged_in_one_copy_does_not_look_newer(lab: Lab) -> None:
    for name in lab.files:
        if not name.startswith("packs"):
            lab.write(name, patched(lab.files[name], (8, 1)))
    open_with(lab.sample)
    assert lab.sample.check().exit_code == 5


def ask_for(lab: Lab, **features: list[str]) -> None:
    """Put down a configuration that is as it was, but for its features."""
    with lab.sample.open() as repository:
        config = msgspec.structs.replace(repository.config, **features)
        file = repository.keys.seal_small(Kind.CONFIG, names.new_id(), encode_record(config))
    for name in ("config", "config.copy"):
        lab.write(name, file)


def roles_refused(repository: Repository) -> dict[str, str]:
    """What each role that may not begin is told; the store is left as it was."""
    refused = {}
    for role in ("reader", "writer", "partial", "maintenance"):
        try:
            repository.begin(role, Author()).close()
        except RefusedUnsafe as error:
            assert (error.exit_code, "update Twofold" in error.hint) == (17, True)
            refused[role] = error.message
    assert not list(repository.objects.ids(names.SESSIONS_OPEN))
    return refused


def stored(lab: Lab) -> dict[Path, bytes]:
    """All files of the store."""
    top = lab.sample.store
    return {path: path.read_bytes() for path in top.rglob("*") if path.is_file()}


def test_an_unknown_feature_to_read_is_refused(lab: Lab) -> None:
    ask_for(lab, features_read=["teleport"])
    with pytest.raises(NewerFormat, match="teleport") as caught:
        open_with(lab.sample)
    assert caught.value.exit_code == 1


def test_who_must_not_write_may_read(lab: Lab) -> None:
    ask_for(lab, features_write=["teleport"])
    with lab.sample.open() as repository:
        assert repository.snapshots()
        before = stored(lab)
        refused = roles_refused(repository)
        assert sorted(refused) == ["maintenance", "partial", "writer"]
        assert all("must not write to it: teleport" in words for words in refused.values())
        for change in (
            repository.restore_config_copies,
            lambda: repository.add_password(b"other"),
            repository.add_recovery_key,
            lambda: repository.add_key_file(b"k" * 32),
            lambda: repository.remove_key(""),
        ):
            with pytest.raises(RefusedUnsafe):
                change()
        assert stored(lab) == before


def test_who_must_not_delete_may_write(lab: Lab) -> None:
    ask_for(lab, features_delete=["teleport"])
    with lab.sample.open() as repository:
        refused = roles_refused(repository)
        assert list(refused) == ["maintenance"]
        assert "teleport" in refused["maintenance"]


def test_a_feature_added_since_the_repository_was_opened_counts(lab: Lab) -> None:
    with lab.sample.open() as repository:
        assert not roles_refused(repository)
        ask_for(lab, features_write=["teleport"])
        assert sorted(roles_refused(repository)) == ["maintenance", "partial", "writer"]


# --- many slots ----------------------------------------------------------------------------


class Crowded(LocalBackend):
    """Ten thousand slots of somebody else's, with names before all of ours."""

    reads = 0

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        """The crowd, then what is there."""
        if folder == names.KEYS:
            for number in range(10_000):
                yield ObjectInfo(f"keys/{number:032x}", 4367)
        yield from super().list(folder)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Each of the crowd is a slot of another repository."""
        self.reads += name.startswith("keys/")
        crowd = name.startswith("keys/0000000000000000")
        return super().get(name, offset, length) if not crowd else b"\x89" * 400


def test_ten_thousand_key_slots_are_bounded_and_told(lab: Lab) -> None:
    """At most 20 are read on opening; check reads all, and sums up what is wrong with them."""
    store = Crowded(lab.sample.store)
    with pytest.raises(ObjectDamaged, match="no key slot can be read"):
        open_repository(store, lab.sample.recovery_key.encode())
    assert store.reads == 20
    with lab.sample.open() as repository:
        repository.backend = store
        report = Report(ignore)
        OpenersCheck(repository, report, Survey()).run()
        report.close()
    assert report.counts[Severity.DAMAGE] == 10_001
    assert len(report.findings) == KEPT + 1


def test_check_tells_about_too_many_slots(lab: Lab) -> None:
    with lab.sample.open() as repository:
        for number in range(19):
            repository.add_key_file(b"key file number %04d" % number)
    result = lab.sample.check() if _opens(lab) else None
    if result is not None:
        assert result.exit_code == 5
        assert any("21 key slots" in finding.message for finding in result.findings)


def _opens(lab: Lab) -> bool:
    """Whether our own slot is among the first twenty; the names are random."""
    try:
        open_with(lab.sample)
    except WrongKey:
        return False
    return True


def test_strange_names_do_not_use_up_the_slots_tried(lab: Lab) -> None:
    for number in range(30):
        lab.write(f"keys/{number:02}-notes", b"")
    open_with(lab.sample)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (4, (1 << 32) - 1),
        (4, (4 << 20) + 1),
        (4, 0),
        (8, 65),
        (8, 0),
        (12, 65),
        (12, 0),
        (12, (1 << 32) - 1),
        (0, 7),
    ],
)
def test_a_slot_that_demands_impossible_effort_costs_none(
    place: int, value: int, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4 TiB of memory, 65 passes, no lanes: such a slot is damaged, and never tried."""
    name = find_target("key-slot", lab, lab).name
    data = bytearray(lab.files[name])
    for start in (HEADER.size, second_copy_start(len(data)) + HEADER.size):
        data[start + place : start + place + 4] = value.to_bytes(4, "little")
    lab.write(name, bytes(data))
    monkeypatch.setattr("twofold.repository.stretch.argon2id", None)
    with pytest.raises(WrongKey, match="1 damaged key slot"):
        open_with(lab.sample, PASSWORD)
    assert lab.sample.check().exit_code == 5


@pytest.mark.slow
def test_the_password_opens_whichever_copy_is_damaged(lab: Lab) -> None:
    name = find_target("key-slot", lab, lab).name
    for place in (50, HEADER.size + 20, 170):
        lab.write(name, patched(lab.files[name], (place, 1)))
        open_with(lab.sample, PASSWORD)


# --- copies are made again -----------------------------------------------------------------


def test_a_backup_restores_a_lost_config_file(lab: Lab) -> None:
    for name in ("config", "config.copy"):
        lab.path(name).unlink()
        back_up(lab.sample)
        assert lab.path(name).read_bytes() == lab.files[name]


def test_a_damaged_config_is_not_multiplied(lab: Lab) -> None:
    lab.path("config").unlink()
    lab.write("config.copy", patched(lab.files["config.copy"], (60, 1)))
    back_up(lab.sample)
    assert not lab.path("config").exists()


def test_mirrored_files_have_the_shape_the_format_says(lab: Lab) -> None:
    for name, data in lab.files.items():
        if not name.startswith("packs"):
            length = len(data) - second_copy_start(len(data))
            assert data == mirror(data[:length])
