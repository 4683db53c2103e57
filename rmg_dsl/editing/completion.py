"""Completion: what may be written at a cursor of a spec."""

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
    """A text for the characters from `start` to `end`, with its kind and a line about it."""

    text: str
    kind: str
    doc: str
    start: int
    end: int


def complete(
    source: Source, cursor: int, universe: Universe, columns: Sequence[str] | None = None
) -> list[Completion]:
    """What may stand at an offset of a text, the most likely first.

    >>> from rmg_dsl.api.sources import universe
    >>> source = Source.of('grader kind -> 1..5 = "How kind is {{ res')
    >>> offers = complete(source, len(source.text), universe(), ["query", "response"])
    >>> [offer.text for offer in offers]
    ['response']

    The text may be broken; nothing of it is run. `columns` are those of the data; without them the
    columns that the text reads are offered. Upper and lower case are equal.
    """
    place = locate(source, cursor)
    if place is None:
        return []
    finished = _without_word(source, place.start, cursor)
    names = SpecNames(finished, universe, columns, place.declared_name)
    if place.text is None:
        offers, length = code_offers(place, names), 0
    else:
        offers, length = text_offers(place, names)
    start = cursor - max(length, len(place.word))
    word = source.text[start:cursor].lower()
    return [
        Completion(offer.text, offer.kind, offer.doc, start, cursor)
        for offer in unique_offers(offers)
        if (offer.filter_text or offer.text).lower().startswith(word)
    ]


def _without_word(source: Source, start: int, cursor: int) -> Source:
    """The text with a 0 for the word that is being written."""
    # The unfinished word is no column of the data. It needs a stand-in: an empty tag is an error.
    end = cursor
    while end < len(source.text) and (source.text[end].isalnum() or source.text[end] == "_"):
        end += 1
    return Source(source.name, f"{source.text[:start]}0{source.text[end:]}", source.first_line)
