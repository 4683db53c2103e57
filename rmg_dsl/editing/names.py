"""What can be named in a spec that is being written: its declarations, its columns, the library; each with a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from rmg_dsl.checker.graders import Graders
from rmg_dsl.checker.models import ModelTable
from rmg_dsl.checker.scope import Book, Foreign, Named, Universe
from rmg_dsl.checker.signatures import Function
from rmg_dsl.checker.spec_checker import check, opened
from rmg_dsl.diagnostics import Source
from rmg_dsl.syntax import Parsed, nodes, parse
from rmg_dsl.syntax.keywords import words

SCORES = ("grader", "aggregate", "pairwise", "ranking")
_LONGEST = 60


class Offer(NamedTuple):
    """Something that may be written: what it is, a line about it, and what is typed to get it, if that is not it."""

    text: str
    kind: str
    doc: str = ""
    typed: str = ""


@dataclass(frozen=True)
class Known:
    """All names that there are for a text, found when they are first asked for. `hidden` is what stands at the cursor:
    it declares nothing yet. Without `columns` those count that the text names.
    """

    source: Source
    universe: Universe
    given_columns: Sequence[str] | None = None
    hidden: str = ""

    @cached_property
    def _parsed(self) -> Parsed:
        return parse(self.source)

    @cached_property
    def _book(self) -> Book:
        return opened(self._parsed, self.universe)

    @property
    def has_edition(self) -> bool:
        return self._book.root.module.edition is not None

    @cached_property
    def columns(self) -> tuple[str, ...]:
        if self.given_columns is not None:
            return tuple(self.given_columns)
        return tuple(used.name for used in check(self._parsed, self.universe).checked.columns)

    def _declared(self) -> Iterator[tuple[str, Foreign, Named]]:
        root = self._book.root
        for name in (*root.declared, *root.imported):
            found = root.find(name)
            if found is not None and name != self.hidden:
                yield name, found, found.file.declared[found.name]

    def declared(self, *kinds: str) -> list[Offer]:
        """The declarations of these kinds; a broken one is what its first word says."""
        found = ((name, at, node, _kind(node, at)) for name, at, node in self._declared())
        return [
            Offer(name, kind, _about(node, at)) for name, at, node, kind in found if kind in kinds
        ]

    def refined(self) -> list[Offer]:
        """The columns that the `refine` declarations add: a gate may name them."""
        refines = [
            d.name.id
            for d in self._book.root.module.declarations
            if isinstance(d, nodes.RefineDecl)
        ]
        own = [f"{name}_{part}" for name in refines for part in ("refined", "rounds", "status")]
        scores = [offer.text for offer in self.declared(*SCORES)] if refines else []
        ends = [f"{name}_{end}" for name in scores for end in ("before", "after")]
        return [Offer(name, "column", "of `refine`") for name in (*own, *ends)]

    def columns_offered(self, plain: bool) -> list[Offer]:
        """The columns that no field hides; as code also those whose names are no names."""
        fields = {offer.text for offer in self.declared("field")}
        free = [name for name in self.columns if name not in fields]
        named = [Offer(name, "column") for name in free if _is_name(name)]
        odd = [Offer(_as_call(name), "column", typed=name) for name in free if not _is_name(name)]
        return named if plain else named + odd

    def functions(self, of: Literal["row", "field", "number", "rows"]) -> list[Offer]:
        """The functions over all rows, or those of one row: all, those that want no score, those of numbers alone."""
        return [_function(f) for f in self.universe.functions.values() if _is_of(of, f)]

    def library(self) -> list[Offer]:
        """The graders of the standard library, without their `std.`."""
        graders = [d for d in self.universe.library.declarations if isinstance(d, nodes.GraderDecl)]
        return [Offer(grader.name.id, "grader", _first_line(grader.doc)) for grader in graders]

    def rebindable(self, called: str) -> list[str]:
        """The names that a call of this grader or aggregate may rebind: `relevance`, or `std.relevance`."""
        name = called.removeprefix("std.")
        found = Foreign(self._book.library, name) if name != called else self._book.root.find(name)
        if found is None or not isinstance(
            found.file.declared.get(found.name), nodes.GraderDecl | nodes.AggregateDecl
        ):
            return []
        graded = Graders(self._book, ModelTable(self._book)).resolve(found)
        return sorted(graded.names) if graded else []

    def exported(self, path: str) -> list[Offer]:
        """What can be imported from a file: nothing where it cannot be read."""
        try:
            other = self.universe.load(path, self.source.name)
        except (OSError, ValueError):
            return []
        return Known(other, self.universe, ()).declared(*SCORES, "param", "model")


def _kind(node: Named, at: Foreign) -> str:
    match node:
        case nodes.Broken():
            return at.file.source.text[node.span.start : node.span.end].split(maxsplit=1)[0]
        case nodes.FieldDecl():
            return "field"
        case nodes.ModelDecl():
            return "model"
        case _:
            return nodes.keyword_of(node)


def _about(node: Named, at: Foreign) -> str:
    """One line about a declaration: its documentation, and its scale or its value."""
    text = at.file.source.text
    match node:
        case nodes.GraderDecl():
            scale = f"-> {text[node.scale.span.start : node.scale.span.end]}" if node.scale else ""
            return "  ".join(part for part in (scale, _first_line(node.doc)) if part)
        case nodes.FieldDecl() | nodes.ParamDecl() | nodes.ModelDecl():
            return "= " + _short(text[node.value.span.start : node.value.span.end])
        case nodes.Broken():
            return ""
        case _:
            return _first_line(node.doc)


def _is_of(of: str, function: Function) -> bool:
    types = {parameter.type for parameter in function.parameters}
    fits = {
        "rows": function.over_rows,
        "field": "score" not in types,
        "number": types == {"number"},
    }
    return fits.get(of, True) and function.over_rows is (of == "rows")


def _function(function: Function) -> Offer:
    return Offer(function.name, "function", f"{function}: {_first_line(function.doc)}")


def _first_line(doc: str) -> str:
    return doc.split("\n", 1)[0]


def _short(text: str) -> str:
    folded = " ".join(text.split())
    return folded if len(folded) <= _LONGEST else folded[: _LONGEST - 1] + "…"


def _is_name(text: str) -> bool:
    return text.isidentifier() and text not in words().reserved


def _as_call(column: str) -> str:
    quoted = (
        column.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    )
    return f'column("{quoted}")'


def unique(offers: Iterable[Offer]) -> list[Offer]:
    """Each text once, as it was first offered."""
    found: dict[str, Offer] = {}
    for offer in offers:
        found.setdefault(offer.text, offer)
    return list(found.values())
