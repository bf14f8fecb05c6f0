"""Key slots: the spelling of recovery keys, and bounds that stop a slot from exhausting us."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import FormatError
from twofold.format.keyslot import (
    ARGON2ID,
    HKDF,
    MAX_ITERATIONS,
    MAX_LANES,
    MAX_MEMORY_KIB,
    SLOT,
    SlotKind,
    SlotParameters,
    SlotPayload,
    decode_recovery_key,
    encode_recovery_key,
)
from twofold.format.records import decode_record, encode_record

from . import strategies as own

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
VALUE = st.binary(min_size=16, max_size=16)


@given(VALUE)
def test_recovery_keys_round_trip(value: bytes) -> None:
    """Six groups of five from the Crockford alphabet, and back."""
    text = encode_recovery_key(value)
    groups = text.split("-")
    assert [len(group) for group in groups] == [5] * 6
    assert set(text) <= {*ALPHABET, "-"}
    assert decode_recovery_key(text) == value


def test_recovery_keys_are_pinned() -> None:
    """Vectors: printed keys must open repositories for ever."""
    assert encode_recovery_key(bytes(16)) == "00000-00000-00000-00000-00000-08GVP"
    assert encode_recovery_key(b"\xff" * 16) == "ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-WGK3P"
    assert encode_recovery_key(bytes(range(16))) == "000G4-0R40M-30E20-9185G-R38E1-W7Q0S"


@given(VALUE, st.randoms(use_true_random=False))
def test_recovery_keys_as_people_type_them(value: bytes, rng: object) -> None:
    """Case, look-alikes, spaces, line ends and typographic dashes do not matter."""
    assert hasattr(rng, "choice")
    spellings = {"0": "0Oo", "1": "1IiLl"}
    separators = ["", " ", "-", "\n", "\r\n", "\t", "\u2010", "\u2011", "\u2013", "\u2014", "\xa0"]
    text = ""
    for character in encode_recovery_key(value).replace("-", ""):
        text += rng.choice(spellings.get(character, character + character.lower()))
        text += rng.choice(separators)
    assert decode_recovery_key(text) == value


@given(VALUE, st.integers(0, 29), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed(value: bytes, place: int, other: str) -> None:
    """A typing mistake is told at once instead of trying a wrong key (chance 2^-20)."""
    plain = encode_recovery_key(value).replace("-", "")
    changed = plain[:place] + other + plain[place + 1 :]
    assert decode_recovery_key(changed) == (value if changed == plain else None)


@given(VALUE, st.integers(0, 28))
def test_swapped_neighbours_are_noticed(value: bytes, place: int) -> None:
    """The commonest typing mistake of all."""
    plain = encode_recovery_key(value).replace("-", "")
    swapped = plain[:place] + plain[place + 1] + plain[place] + plain[place + 2 :]
    assert decode_recovery_key(swapped) == (value if swapped == plain else None)


@given(st.text(max_size=60))
def test_passwords_are_not_recovery_keys(text: str) -> None:
    """Any text gives None or a value that spells back to it."""
    value = decode_recovery_key(text)
    assert value is None or decode_recovery_key(encode_recovery_key(value)) == value


@pytest.mark.parametrize("text", ["", "0" * 29, "0" * 31, "U" * 30, "0" * 30, "é" * 30, "ß" * 15])
def test_what_is_not_a_recovery_key(text: str) -> None:
    """Wrong length, letters that are not used, wrong check characters."""
    assert decode_recovery_key(text) is None


def test_the_two_spare_bits_must_be_zero() -> None:
    """The 26th character carries two bits that are always zero."""
    plain = encode_recovery_key(bytes(16)).replace("-", "")
    for spare in "123":
        assert decode_recovery_key(plain[:25] + spare + plain[26:]) is None


PARAMETERS = st.one_of(
    st.builds(SlotParameters, kdf=st.just(HKDF), kind=st.sampled_from(SlotKind)),
    st.builds(
        SlotParameters,
        kdf=st.just(ARGON2ID),
        kind=st.sampled_from(SlotKind),
        memory_kib=st.integers(8 * MAX_LANES, MAX_MEMORY_KIB),
        iterations=st.integers(1, MAX_ITERATIONS),
        lanes=st.integers(1, MAX_LANES),
    ),
)


@given(PARAMETERS, own.HASH)
def test_parameters_round_trip(parameters: SlotParameters, commitment: bytes) -> None:
    """Everything within the bounds is read as written, in 48 bytes."""
    data = parameters.encode(commitment)
    assert len(data) == 48
    assert SlotParameters.decode(data) == (parameters, commitment)


def test_parameters_cut_short_are_refused() -> None:
    """Every truncation is told."""
    data = SlotParameters(HKDF, SlotKind.RECOVERY).encode(bytes(32))
    for length in range(len(data)):
        with pytest.raises(FormatError):
            SlotParameters.decode(data[:length])


@pytest.mark.parametrize(
    ("memory", "passes", "lanes"),
    [
        (MAX_MEMORY_KIB + 1, 3, 4),
        (2**32 - 1, 1, 1),
        (65536, MAX_ITERATIONS + 1, 4),
        (65536, 2**32 - 1, 4),
        (65536, 0, 4),
        (65536, 3, 0),
        (65536, 3, MAX_LANES + 1),
        (31, 3, 4),
        (7, 1, 1),
        (0, 0, 0),
    ],
)
def test_impossible_effort_is_refused(memory: int, passes: int, lanes: int) -> None:
    """A hostile slot cannot ask for more memory or time than the bounds, nor for too little."""
    with pytest.raises(FormatError):
        SlotParameters.decode(SLOT.pack(ARGON2ID, 1, memory, passes, lanes, bytes(32)))


@pytest.mark.parametrize(("kdf", "kind"), [(2, 1), (255, 1), (0, 0), (0, 4), (1, 255)])
def test_unknown_derivations_and_kinds_are_refused(kdf: int, kind: int) -> None:
    """What we do not know we do not guess."""
    with pytest.raises(FormatError):
        SlotParameters.decode(SLOT.pack(kdf, kind, 65536, 3, 4, bytes(32)))


@given(own.U32, own.U32, own.U32, own.BYTE, own.BYTE)
def test_whatever_is_accepted_is_within_bounds(
    memory: int, passes: int, lanes: int, kdf: int, kind: int
) -> None:
    """For any numbers at all: refused, or affordable."""
    try:
        read, _ = SlotParameters.decode(SLOT.pack(kdf, kind, memory, passes, lanes, bytes(32)))
    except FormatError:
        return
    assert read.kdf == HKDF or (
        read.memory_kib <= MAX_MEMORY_KIB
        and 1 <= read.iterations <= MAX_ITERATIONS
        and 1 <= read.lanes <= MAX_LANES
        and read.memory_kib >= 8 * read.lanes
    )


@given(st.lists(own.HASH, min_size=1, max_size=3), own.HASH, st.text(max_size=20), own.I64)
def test_payloads_round_trip(masters: list[bytes], dedup: bytes, label: str, made: int) -> None:
    """What a slot protects comes back."""
    payload = SlotPayload(masters, dedup, label, made)
    assert decode_record(encode_record(payload), SlotPayload) == payload
    payload.check()


@pytest.mark.parametrize(
    ("masters", "dedup"),
    [([], bytes(32)), ([bytes(31)], bytes(32)), ([bytes(32), b""], bytes(32)), ([bytes(32)], b"x")],
)
def test_payloads_without_keys_are_refused(masters: list[bytes], dedup: bytes) -> None:
    with pytest.raises(FormatError, match="no key"):
        SlotPayload(masters, dedup).check()
