"""The budgets of images: what has to hold, against whom, and whether it did."""

from collections.abc import Iterator

from bench.budgets import MEMORY_LIMIT, OWN, Verdict
from bench.images_cases import (
    FILES_FIRST,
    KINDS,
    ONE_FILE,
    OPEN,
    on_disk,
    one_file,
    stored,
    times,
)
from bench.results import Results

EXTRA = 0.06  # of the bytes in use: what an image adds when its files are there
ONE_FILE_LIMIT = 1.0  # s after the repository is open
AFTER = "twofold after files"
PLAIN = "cat and cp"
RIVALS = {"ntfs": "ntfsclone+zstd", "ext4": "partclone+zstd"}
RATIOS = (  # whose step is to be so many times the time of which step of ours; asked
    ("{rival}", "first", OWN, "first", 1.0),
    ("{rival}", "first", AFTER, "first", 2.0),
    (OWN, "first", OWN, "proven", 5.0),
    (PLAIN, "unchanged", OWN, "unchanged", 1 / 1.1),
    (PLAIN, "restore", OWN, "restore", 0.7),
)
WORDS = {
    "first": "first image",
    "unchanged": "unchanged image, read in full",
    "proven": "unchanged image, proven",
    "restore": "disk restored",
}


def judge(results: Results) -> list[Verdict]:
    """Every budget whose case is in this run, with what was measured."""
    verdicts: list[Verdict] = []
    for kind in KINDS:
        if stored(kind, FILES_FIRST) in results.inputs:
            verdicts.append(_extra(results, kind))
        for case, name in ((times(kind), kind), (on_disk(kind), f"{kind} on a disk")):
            if case in results.inputs:
                verdicts += _ratios(results, kind, case, name)
        if one_file(kind) in results.inputs:
            verdicts.append(_one_file(results, kind))
    peaks = [each.memory for each in results.steps if each.program in (OWN, AFTER)]
    if peaks:
        limit, found = MEMORY_LIMIT >> 20, max(peaks) >> 20
        sentence = "peak memory of any step"
        verdicts.append(
            Verdict(OWN, sentence, f"≤ {limit} MiB", f"{found} MiB", max(peaks) <= MEMORY_LIMIT)
        )
    return verdicts


def added(results: Results, case: str, program: str, step: str, before: str) -> float | None:
    """Bytes that one step added to what was there after the one before."""
    two, one = (results.medians(case, program, name) for name in (step, before))
    return None if one is None or two is None else two.stored - one.stored


def _extra(results: Results, kind: str) -> Verdict:
    case = stored(kind, FILES_FIRST)
    extra = added(results, case, OWN, "image", "files")
    share = None if extra is None else extra / results.inputs[case][1]
    return Verdict(
        OWN,
        f"{kind}: an image adds to the backup of its files, of the bytes in use",
        f"≤ {EXTRA:.0%}",
        None if share is None else f"{share:.1%}",
        share is not None and share <= EXTRA,
    )


def _ratios(results: Results, kind: str, case: str, name: str) -> Iterator[Verdict]:
    for program, step, own, own_step, factor in RATIOS:
        peer = program.format(rival=RIVALS[kind])
        theirs, ours = results.medians(case, peer, step), results.medians(case, own, own_step)
        found = theirs.wall / ours.wall if theirs and ours else None
        what = WORDS[own_step] + (" after the backup of its files" if own == AFTER else "")
        yield Verdict(
            peer,
            f"{name}: {what}, against {_rival(peer, step)}",
            f"≥ {factor:.2g}×",
            None if found is None else f"{found:.2f}×",
            found is not None and found >= factor,
        )


def _rival(peer: str, step: str) -> str:
    if peer == PLAIN:
        return "a plain read" if step == "unchanged" else "a plain copy"
    return "the first image" if peer == OWN else peer


def _one_file(results: Results, kind: str) -> Verdict:
    case = one_file(kind)
    whole, opened = (results.medians(case, OWN, step) for step in (ONE_FILE, OPEN))
    seconds = whole.wall - opened.wall if whole and opened else None
    return Verdict(
        OWN,
        f"{kind}: one of {results.inputs[case][0]:,} files out of an image, after opening",
        f"≤ {ONE_FILE_LIMIT:g} s",
        None if seconds is None else f"{seconds:.2f} s",
        seconds is not None and seconds <= ONE_FILE_LIMIT,
    )
