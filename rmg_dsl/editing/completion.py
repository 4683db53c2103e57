"""Completion: a text, a cursor and the columns of the data to what may be written there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rmg_dsl.checker import Universe
from rmg_dsl.diagnostics import Source
from rmg_dsl.editing.code import code_offers
from rmg_dsl.editing.cursor import locate
from rmg_dsl.editing.names import SpecNames, unique_offers
from rmg_dsl.editing.templates import text_offers


@dataclass(frozen=True, slots=True)
class Completion:
    """What may be written in place of the characters from `start` to `end`: its kind, and a line about it."""

    text: str
    kind: str
    doc: str
    start: int
    end: int


def complete(
    source: Source, cursor: int, universe: Universe, columns: Sequence[str] | None = None
) -> list[Completion]:
    """What may stand at an offset of a text, the likeliest first; the text may be broken, and nothing is run.

    >>> from rmg_dsl.api.sources import universe
    >>> text = 'grader kind -> 1..5 = "How kind is {{ res'
    >>> [found.text for found in complete(Source.of(text), len(text), universe(), ["query", "response"])]
    ['response']

    `columns` are the data's; without them those count that the text names already. Case is not looked at.
    """
    place = locate(source, cursor)
    if place is None:
        return []
    known = SpecNames(
        _without_word(source, place.start, cursor), universe, columns, place.declared_name
    )
    found, typed = (
        text_offers(place, known) if place.text is not None else (code_offers(place, known), 0)
    )
    start = cursor - max(typed, len(place.word))
    word = source.text[start:cursor].lower()
    return [
        Completion(offer.text, offer.kind, offer.doc, start, cursor)
        for offer in unique_offers(found)
        if (offer.filter_text or offer.text).lower().startswith(word)
    ]


def _without_word(source: Source, start: int, cursor: int) -> Source:
    """The text with a 0 for the word that is being written: it is no column, and a tag with nothing in it is broken."""
    end = cursor
    while end < len(source.text) and (source.text[end].isalnum() or source.text[end] == "_"):
        end += 1
    return Source(source.name, f"{source.text[:start]}0{source.text[end:]}", source.first_line)
