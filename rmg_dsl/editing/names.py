"""What can be named in a spec that is being written: its declarations, its columns, the library; each with a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from rmg_dsl.checker.graders import GraderResolver
from rmg_dsl.checker.models import ModelTable
from rmg_dsl.checker.scope import CheckState, NamedDeclaration, QualifiedName, Universe
from rmg_dsl.checker.signatures import Function
from rmg_dsl.checker.spec_checker import check_spec, collect_declarations
from rmg_dsl.diagnostics import Source
from rmg_dsl.ir.columns import loop_column_names
from rmg_dsl.syntax import ParseResult, nodes, parse
from rmg_dsl.syntax.declarations import declarations
from rmg_dsl.syntax.keywords import grammar_keywords

SCORED_KINDS = tuple(spec.keyword for spec in declarations().values() if spec.gives_score)
_MAX_VALUE_CHARS = 60


class Offer(NamedTuple):
    """Something that may be written: what it is, a line about it, and what is typed to get it, if that is not it."""

    text: str
    kind: str
    doc: str = ""
    filter_text: str = ""


@dataclass(frozen=True)
class SpecNames:
    """All names that there are for a text, found when they are first asked for. `hidden` is what stands at the cursor:
    it declares nothing yet. Without `columns` those count that the text names.
    """

    source: Source
    universe: Universe
    data_columns: Sequence[str] | None = None
    hidden_name: str = ""

    @cached_property
    def _parse_result(self) -> ParseResult:
        return parse(self.source)

    @cached_property
    def _book(self) -> CheckState:
        return collect_declarations(self._parse_result, self.universe)

    @property
    def has_edition(self) -> bool:
        return self._book.root.module.edition is not None

    @cached_property
    def columns(self) -> tuple[str, ...]:
        if self.data_columns is not None:
            return tuple(self.data_columns)
        return tuple(
            used.name for used in check_spec(self._parse_result, self.universe).suite.columns
        )

    def _iter_declarations(self) -> Iterator[tuple[str, QualifiedName, NamedDeclaration]]:
        root = self._book.root
        for name in (*root.declarations, *root.imports):
            found = root.find(name)
            if found is not None and name != self.hidden_name:
                yield name, found, found.file.declarations[found.name]

    def declaration_offers(self, *kinds: str) -> list[Offer]:
        """The declarations of these kinds; a broken one is what its first word says."""
        found = (
            (name, at, node, _declaration_kind(node, at))
            for name, at, node in self._iter_declarations()
        )
        return [
            Offer(name, kind, _declaration_summary(node, at))
            for name, at, node, kind in found
            if kind in kinds
        ]

    def refine_column_offers(self) -> list[Offer]:
        """The columns that the `refine` declarations add: a gate may name them."""
        refines = [
            d.name.id
            for d in self._book.root.module.declarations
            if isinstance(d, nodes.RefineDecl)
        ]
        if not refines:
            return []
        scores = [offer.text for offer in self.declaration_offers(*SCORED_KINDS)]
        names = loop_column_names(refines, scores)
        return [Offer(name, "column", "of `refine`") for name in names]

    def column_offers(self, plain: bool) -> list[Offer]:
        """The columns that no field hides; as code also those whose names are no names."""
        fields = {offer.text for offer in self.declaration_offers("field")}
        free = [name for name in self.columns if name not in fields]
        named = [Offer(name, "column") for name in free if _is_name(name)]
        odd = [
            Offer(_as_column_call(name), "column", filter_text=name)
            for name in free
            if not _is_name(name)
        ]
        return named if plain else named + odd

    def function_offers(self, of: Literal["row", "field", "number", "rows"]) -> list[Offer]:
        """The functions over all rows, or those of one row: all, those that want no score, those of numbers alone."""
        return [
            _offer_function(f) for f in self.universe.functions.values() if _is_function_for(of, f)
        ]

    def std_grader_offers(self) -> list[Offer]:
        """The graders of the standard library, without their `std.`."""
        graders = [d for d in self.universe.library.declarations if isinstance(d, nodes.GraderDecl)]
        return [Offer(grader.name.id, "grader", _first_doc_line(grader.doc)) for grader in graders]

    def rebindable_names(self, called: str) -> list[str]:
        """The names that a call of this grader or aggregate may rebind: `relevance`, or `std.relevance`."""
        name = called.removeprefix("std.")
        found = (
            QualifiedName(self._book.library, name)
            if name != called
            else self._book.root.find(name)
        )
        if found is None or not isinstance(
            found.file.declarations.get(found.name), nodes.GraderDecl | nodes.AggregateDecl
        ):
            return []
        graded = GraderResolver(self._book, ModelTable(self._book)).resolve(found)
        return sorted(graded.names) if graded else []

    def import_offers(self, path: str) -> list[Offer]:
        """What can be imported from a file: nothing where it cannot be read."""
        try:
            other = self.universe.load(path, self.source.name)
        except (OSError, ValueError):
            return []
        return SpecNames(other, self.universe, ()).declaration_offers(
            *SCORED_KINDS, "param", "model"
        )


def _declaration_kind(node: NamedDeclaration, at: QualifiedName) -> str:
    match node:
        case nodes.Broken():
            return at.file.source.text[node.span.start : node.span.end].split(maxsplit=1)[0]
        case nodes.FieldDecl():
            return "field"
        case nodes.ModelDecl():
            return "model"
        case _:
            return nodes.keyword_of(node)


def _declaration_summary(node: NamedDeclaration, at: QualifiedName) -> str:
    """One line about a declaration: its documentation, and its scale or its value."""
    text = at.file.source.text
    match node:
        case nodes.GraderDecl():
            scale = f"-> {text[node.scale.span.start : node.scale.span.end]}" if node.scale else ""
            return "  ".join(part for part in (scale, _first_doc_line(node.doc)) if part)
        case nodes.FieldDecl() | nodes.ParamDecl() | nodes.ModelDecl():
            return "= " + _shorten_value(text[node.value.span.start : node.value.span.end])
        case nodes.Broken():
            return ""
        case _:
            return _first_doc_line(node.doc)


def _is_function_for(of: str, function: Function) -> bool:
    types = {parameter.type for parameter in function.parameters}
    fits = {
        "rows": function.is_statistic,
        "field": "score" not in types,
        "number": types == {"number"},
    }
    return fits.get(of, True) and function.is_statistic is (of == "rows")


def _offer_function(function: Function) -> Offer:
    return Offer(function.name, "function", f"{function}: {_first_doc_line(function.doc)}")


def _first_doc_line(doc: str) -> str:
    return doc.split("\n", 1)[0]


def _shorten_value(text: str) -> str:
    folded = " ".join(text.split())
    return folded if len(folded) <= _MAX_VALUE_CHARS else folded[: _MAX_VALUE_CHARS - 1] + "…"


def _is_name(text: str) -> bool:
    return text.isidentifier() and text not in grammar_keywords().reserved_words


def _as_column_call(column: str) -> str:
    quoted = (
        column.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    )
    return f'column("{quoted}")'


def unique_offers(offers: Iterable[Offer]) -> list[Offer]:
    """Each text once, as it was first offered."""
    found: dict[str, Offer] = {}
    for offer in offers:
        found.setdefault(offer.text, offer)
    return list(found.values())
