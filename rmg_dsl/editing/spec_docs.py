"""What the words of the language mean, one line each: read from the tables of SPEC.md, so that it is said once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from rmg_dsl.checker.keys import KEYS
from rmg_dsl.syntax.grammar import spec_text

_TABLE = re.compile(r"^\|(.+)\|\n\|[-| ]+\|\n((?:\|.*\|\n)+)", re.M)
_CELL = re.compile(r"(?<!\\)\|")
_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_NAME = re.compile(r"[^\W\d]\w*")
_KINDS = ("declaration", "key", "scale", "setting", "status")


@dataclass(frozen=True, slots=True)
class DocEntry:
    """A word of the language: `owner` is the declaration whose block takes it, if it is a key; `form` how it is
    written, or what it takes.
    """

    name: str
    kind: str
    owner: str
    form: str
    meaning: str


@cache
def doc_entries() -> tuple[DocEntry, ...]:
    """Every declaration, key, scale, model setting and status, in the order of the page.

    >>> next(entry.meaning for entry in doc_entries() if entry.name == "missing")
    'what happens where a part has no score'
    """
    return tuple(_parse_entries(spec_text()))


def word_meaning(kind: str, name: str, owner: str = "") -> str:
    """The line about one of them, or an empty text. Where a key is said to be as in a grader, it is the grader's.

    >>> word_meaning("key", "model", "pairwise")
    'whom to ask, if not the default'
    """
    found = (
        entry.meaning
        for entry in doc_entries()
        if (entry.kind, entry.name, entry.owner) == (kind, name, owner)
    )
    said = next(found, "")
    return word_meaning(kind, name, "grader") if said.startswith("as in a grader") else said


def _parse_entries(page: str) -> Iterator[DocEntry]:
    for header, body in _TABLE.findall(page):
        kind, *titles = _split_table_row(header)
        rows = [_split_table_row(line[1:-1]) for line in body.splitlines()]
        names = [_entry_names(kind, row[0]) for row in rows]
        owner = (
            _declaration_with_keys({name for each in names for name in each})
            if kind == "key"
            else ""
        )
        if kind in _KINDS and (owner or kind != "key"):
            for row, each in zip(rows, names, strict=True):
                said = dict(zip(titles, row[1:], strict=True))
                yield from (_make_entry(name, kind, owner, said) for name in each)


def _make_entry(name: str, kind: str, owner: str, said: dict[str, str]) -> DocEntry:
    told = next(
        (said[title] for title in ("meaning", "when", "verdicts", "takes") if said.get(title)), ""
    )
    form = next(
        (said[title] for title in ("form", "value", "takes", "the score") if title in said), ""
    )
    return DocEntry(name, kind, owner, form if form != told else "", told)


def _split_table_row(line: str) -> list[str]:
    return [_LINK.sub(r"\1", cell.strip().replace("\\|", "|")) for cell in _CELL.split(line)]


def _entry_names(kind: str, cell: str) -> list[str]:
    """The words that a row is about; of a scale such as `1..5`, its form."""
    codes = _CODE.findall(cell)
    return (
        codes
        if kind == "scale"
        else [found.group() for code in codes if (found := _NAME.match(code))]
    )


def _declaration_with_keys(keys: set[str]) -> str:
    """The declaration that takes just these keys."""
    return next((name for name, known in KEYS.items() if keys - {"rubric"} == known.keys()), "")
