"""Reading the tables of docs/format: what the documents say, to be compared with the code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "format"
Docs = dict[str, str]
Row = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A marked table: page, name after the marker, cells of each row below the heading."""

    page: str
    name: str
    rows: list[Row]


def read_documents() -> Docs:
    """Text of every page by file name."""
    return {path.name: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.md"))}


def cells(line: str) -> Row:
    """Cells of one table line."""
    return tuple(cell.strip() for cell in line.strip().strip("|").split("|"))


def marked(docs: Docs, marker: str) -> Iterator[Table]:
    """Tables that follow ``<!-- marker: NAME -->`` (or ``<!-- marker -->``) on any page."""
    pattern = re.compile(rf"^<!-- {marker}(?:: (\w+))? -->\n((?:\|.*\n)+)", re.MULTILINE)
    for page, text in docs.items():
        found = 0
        for match in pattern.finditer(text):
            lines = match[2].splitlines()
            assert set(lines[1]) <= set("|- "), f"{page}: {match[1]}: no heading line"
            yield Table(page, match[1] or "", [cells(line) for line in lines[2:]])
            found += 1
        markers = re.findall(rf"^<!-- {marker}\b", text, re.MULTILINE)
        assert found == len(markers), f"{page}: marker without table"


def headed(docs: Docs, page: str, heading: Row) -> list[Row]:
    """Rows of the only table of a page with exactly this heading."""
    lines = docs[page].splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("|") and cells(line) == heading]
    assert len(starts) == 1, f"{page}: {len(starts)} tables headed {heading}"
    rows = []
    for line in lines[starts[0] + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(cells(line))
    return rows


def code_names(cell: str) -> list[str]:
    """All `quoted` words of a cell."""
    return re.findall(r"`([^`]+)`", cell)


def flowing(text: str) -> str:
    """The text with every run of white space as one blank, so that line breaks do not matter."""
    return " ".join(text.split())
