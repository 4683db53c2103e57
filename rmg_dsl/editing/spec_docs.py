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
class Entry:
    """A word of the language: `owner` is the declaration whose block takes it, if it is a key; `form` how it is
    written, or what it takes.
    """

    name: str
    kind: str
    owner: str
    form: str
    meaning: str


@cache
def manual() -> tuple[Entry, ...]:
    """Every declaration, key, scale, model setting and status, in the order of the page.

    >>> next(entry.meaning for entry in manual() if entry.name == "missing")
    'what happens where a part has no score'
    """
    return tuple(_entries(spec_text()))


def meaning(kind: str, name: str, owner: str = "") -> str:
    """The line about one of them, or an empty text. Where a key is said to be as in a grader, it is the grader's.

    >>> meaning("key", "model", "pairwise")
    'whom to ask, if not the default'
    """
    found = (
        entry.meaning
        for entry in manual()
        if (entry.kind, entry.name, entry.owner) == (kind, name, owner)
    )
    said = next(found, "")
    return meaning(kind, name, "grader") if said.startswith("as in a grader") else said


def _entries(page: str) -> Iterator[Entry]:
    for header, body in _TABLE.findall(page):
        kind, *titles = _cells(header)
        rows = [_cells(line[1:-1]) for line in body.splitlines()]
        names = [_names(kind, row[0]) for row in rows]
        owner = _owner({name for each in names for name in each}) if kind == "key" else ""
        if kind in _KINDS and (owner or kind != "key"):
            for row, each in zip(rows, names, strict=True):
                said = dict(zip(titles, row[1:], strict=True))
                yield from (_entry(name, kind, owner, said) for name in each)


def _entry(name: str, kind: str, owner: str, said: dict[str, str]) -> Entry:
    told = next(
        (said[title] for title in ("meaning", "when", "verdicts", "takes") if said.get(title)), ""
    )
    form = next(
        (said[title] for title in ("form", "value", "takes", "the score") if title in said), ""
    )
    return Entry(name, kind, owner, form if form != told else "", told)


def _cells(line: str) -> list[str]:
    return [_LINK.sub(r"\1", cell.strip().replace("\\|", "|")) for cell in _CELL.split(line)]


def _names(kind: str, cell: str) -> list[str]:
    """The words that a row is about; of a scale such as `1..5`, its form."""
    codes = _CODE.findall(cell)
    return (
        codes
        if kind == "scale"
        else [found.group() for code in codes if (found := _NAME.match(code))]
    )


def _owner(keys: set[str]) -> str:
    """The declaration that takes just these keys."""
    return next((name for name, known in KEYS.items() if keys - {"rubric"} == known.keys()), "")
