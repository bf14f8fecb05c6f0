"""The documents in docs/format say what the code does, and each comparison is shown to bite.

Every check runs over the real documents, where it must find nothing, and over mutated copies: each
cell of each table and each number of each sentence in turn, where it must find something.
"""

import re
from collections.abc import Iterator

import pytest

from twofold.format import envelope
from twofold.format.layout import Layout

from .constants import CONSTANTS
from .document_checks import (
    CHECKS,
    all_problems,
    array_problems,
    constant_problems,
    key_problems,
    kind_problems,
    layout_problems,
    layouts,
    node_problems,
    page_problems,
    record_problems,
)
from .documents import Docs, cells, flowing, marked, read_documents

MARKERS = ("layout", "record", "arrays", "node")


@pytest.fixture(scope="module")
def docs() -> Docs:
    """The real documents."""
    return read_documents()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_documents_and_code_agree(check: object, docs: Docs) -> None:
    """Nothing differs: tables, records, arrays, kinds, keys, constants."""
    assert callable(check)
    assert check(docs) == []


def test_the_format_is_covered(docs: Docs) -> None:
    """The comparison is not empty: the layouts and tables that there are, are there."""
    names = {table.name for table in marked(docs, "layout")}
    assert names == set(layouts()) >= {"Header", "Body", "Slot", "Footer", "IndexBlob", "Record"}
    assert len(CONSTANTS) > 40


def with_line(docs: Docs, page: str, old: str, new: str) -> Docs:
    """A copy of the documents with one line changed."""
    text = docs[page]
    assert text.count(old + "\n") == 1
    return {**docs, page: text.replace(old + "\n", new + "\n")}


def mutated_rows(docs: Docs, marker: str, columns: range) -> Iterator[tuple[str, Docs]]:
    """Every copy in which one cell of one marked table is something else."""
    for table in marked(docs, marker):
        text = docs[table.page]
        name = f": {table.name}" if table.name else ""
        start = text.index(f"<!-- {marker}{name} -->")
        lines = text[start:].split("\n\n")[0].splitlines()
        for row in lines[3:]:
            for column in columns:
                old = cells(row)
                new = list(old)
                new[column] = _other(old[column])
                block = "\n".join(lines)
                changed = block.replace(row, f"| {' | '.join(new)} |")
                label = f"{table.name} {old[:3]} column {column}"
                yield label, {**docs, table.page: text.replace(block, changed)}


def _other(cell: str) -> str:
    """Another cell of the same sort: a number one higher, a name or a type one letter longer."""
    if cell.isdigit():
        return str(int(cell) + 1)
    return re.sub(r"(\w)(`?[^\w]*)$", r"\1x\2", cell, count=1)


@pytest.mark.parametrize(
    ("check", "marker", "columns"),
    [
        (layout_problems, "layout", range(3)),
        (record_problems, "record", range(2)),
        (array_problems, "arrays", range(2)),
        (node_problems, "node", range(3)),
    ],
    ids=MARKERS,
)
def test_every_mutated_cell_is_detected(
    check: object, marker: str, columns: range, docs: Docs
) -> None:
    """One cell of one table differs: the check for that sort of table says so."""
    assert callable(check)
    mutants = list(mutated_rows(docs, marker, columns))
    assert mutants
    for label, mutant in mutants:
        assert mutant != docs, label
        assert check(mutant), f"not detected: {label}"


def test_every_mutated_number_is_detected(docs: Docs) -> None:
    """One number in one sentence is one higher: the check of constants says so."""
    flat = {page: flowing(text) for page, text in docs.items()}
    assert constant_problems(flat) == []
    for page, pattern, _ in CONSTANTS:
        match = re.search(pattern, flat[page])
        assert match
        for group in range(1, len(match.groups()) + 1):
            start, end = match.span(group)
            number = int(match[group].replace(",", ""), 0) + 1
            text = hex(number) if match[group].startswith("0x") else str(number)
            mutant = flat[page][:start] + text + flat[page][end:]
            assert constant_problems({**flat, page: mutant}), f"not detected: {pattern}"


@pytest.mark.parametrize("marker", MARKERS)
def test_a_missing_or_unknown_table_is_detected(marker: str, docs: Docs) -> None:
    """Without its marker a table is missed; under a strange name it is a stranger."""
    for table in marked(docs, marker):
        name = f": {table.name}" if table.name else ""
        comment = f"<!-- {marker}{name} -->"
        text = docs[table.page]
        for other in ("", f"<!-- {marker}: Stranger -->\n")[: 2 if name else 1]:
            mutant = {**docs, table.page: text.replace(comment + "\n", other)}
            assert all_problems(mutant), f"not detected: {comment} → '{other}'"


def test_a_layout_without_a_table_is_detected(docs: Docs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new Layout in the code needs a table."""
    monkeypatch.setattr(envelope, "EXTRA", Layout("Extra", [("one", "I")]), raising=False)
    assert layout_problems(docs) == ["Extra has no table"]


def test_mutated_keys_are_detected(docs: Docs) -> None:
    """Each info text and each part of it matters."""
    text = docs["keys.md"]
    infos = re.findall(r"^\| .* \| (`twofold 0 .*) \|$", text, re.MULTILINE)
    assert len(infos) == 7
    for info in infos:
        mutants = [info.replace("twofold 0", "twofold 1")]
        if " ‖ " in info:
            mutants.append(info.rpartition(" ‖ ")[0])
        for mutant in mutants:
            assert key_problems({**docs, "keys.md": text.replace(info, mutant)}), mutant


@pytest.mark.parametrize(
    ("page", "old", "new"),
    [
        ("objects.md", "| 7 | root | authentication |", "| 7 | root | data |"),
        ("objects.md", "| 4 | metadata pack | metadata |", "| 4 | metadata pack | data |"),
        ("objects.md", "| 9 | forgotten mark | authentication |", ""),
        ("metadata.md", "| 4 | segments | `[4, packed]` |", "| 6 | segments | `[6, packed]` |"),
    ],
)
def test_mutated_kinds_are_detected(page: str, old: str, new: str, docs: Docs) -> None:
    """A kind with another number, another key or no row is told."""
    mutant = with_line(docs, page, old, new)
    found = [c for c in (key_problems, kind_problems, page_problems) if _bites(c, mutant)]
    assert found


def _bites(check: object, docs: Docs) -> bool:
    assert callable(check)
    try:
        return bool(check(docs))
    except (AssertionError, ValueError):
        return True


def test_a_mutated_magic_is_detected(docs: Docs) -> None:
    """Magic bytes are compared, not only their places."""
    for page, magic in (("objects.md", "89 32 46 4C"), ("packs.md", "89 32 46 53")):
        mutant = docs[page].replace(magic, "88" + magic[2:])
        assert layout_problems({**docs, page: mutant})
