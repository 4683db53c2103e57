"""What each word of the language means, in one line.

Declarations and keys come from the table of declarations; scales, settings and statuses from the
tables of SPEC.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from rmg_dsl.syntax.declarations import declarations
from rmg_dsl.syntax.grammar import spec_text

_TABLE = re.compile(r"^\|(.+)\|\n\|[-| ]+\|\n((?:\|.*\|\n)+)", re.M)
_CELL = re.compile(r"(?<!\\)\|")
_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_NAME = re.compile(r"[^\W\d]\w*")
_PAGE_KINDS = ("scale", "setting", "status")


@dataclass(frozen=True, slots=True)
class DocEntry:
    """A word of the language.

    `owner` is the declaration whose block takes a key; `form` says how the word is written, or what
    it takes.
    """

    name: str
    kind: str
    owner: str
    form: str
    meaning: str


@cache
def doc_entries() -> tuple[DocEntry, ...]:
    """Every declaration, key, scale, model setting and status.

    >>> next(entry.meaning for entry in doc_entries() if entry.name == "missing")
    'what happens where a part has no score'
    """
    return (*_table_entries(), *_page_entries(spec_text()))


def word_meaning(kind: str, name: str, owner: str = "") -> str:
    """The line about a word of this kind, or an empty text. `owner` is the declaration of a key.

    >>> word_meaning("key", "model", "pairwise")
    'whom to ask, if not the default; every member of a panel is asked'
    """
    place = (kind, name, owner)
    meanings = (e.meaning for e in doc_entries() if (e.kind, e.name, e.owner) == place)
    return next(meanings, "")


def _table_entries() -> Iterator[DocEntry]:
    """The declarations that a spec may hold, then the keys of each."""
    table = [spec for spec in declarations().values() if not spec.is_library_only]
    for spec in table:
        yield DocEntry(spec.keyword, "declaration", "", spec.usage, spec.doc)
    for spec in table:
        for key in spec.keys.values():
            yield DocEntry(key.name, "key", spec.keyword, key.takes, key.doc)


def _page_entries(page: str) -> Iterator[DocEntry]:
    for header, body in _TABLE.findall(page):
        kind, *titles = _split_table_row(header)
        if kind not in _PAGE_KINDS:
            continue
        for line in body.splitlines():
            first, *cells = _split_table_row(line[1:-1])
            by_title = dict(zip(titles, cells, strict=True))
            for name in _entry_names(kind, first):
                yield _page_entry(name, kind, by_title)


def _page_entry(name: str, kind: str, cells: Mapping[str, str]) -> DocEntry:
    meaning = _first_cell(cells, ("meaning", "when", "verdicts", "takes"))
    form = _first_cell(cells, ("takes", "the score"))
    if form == meaning:
        form = ""
    return DocEntry(name, kind, "", form, meaning)


def _first_cell(cells: Mapping[str, str], titles: Iterable[str]) -> str:
    return next((cells[title] for title in titles if cells.get(title)), "")


def _split_table_row(line: str) -> list[str]:
    return [_LINK.sub(r"\1", cell.strip().replace("\\|", "|")) for cell in _CELL.split(line)]


def _entry_names(kind: str, cell: str) -> list[str]:
    """The words that a row is about; of a scale such as `1..5`, its form."""
    codes = _CODE.findall(cell)
    if kind == "scale":
        return codes
    matches = map(_NAME.match, codes)
    return [match.group() for match in matches if match]
