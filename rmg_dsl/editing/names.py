"""The names of a spec that is being written: declarations, columns, functions and the library."""

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
    """A text that may be written, its kind, and a line about it.

    `filter_text` is what the author types to get it, where that is another text.
    """

    text: str
    kind: str
    doc: str = ""
    filter_text: str = ""


@dataclass(frozen=True)
class SpecNames:
    """All names of a spec, each computed at its first use.

    `hidden_name` is the declaration at the cursor: it cannot be used yet. Without `data_columns`
    the columns are those that the text reads.
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
        """Does the spec begin with `rmg 1`?"""
        return self._book.root.module.edition is not None

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of the data; without data, the columns that the spec reads."""
        if self.data_columns is not None:
            return tuple(self.data_columns)
        suite = check_spec(self._parse_result, self.universe).suite
        return tuple(use.name for use in suite.columns)

    def _iter_declarations(self) -> Iterator[tuple[str, QualifiedName, NamedDeclaration]]:
        root = self._book.root
        for name in (*root.declarations, *root.imports):
            target = root.find(name)
            if target is not None and name != self.hidden_name:
                yield name, target, target.declaration

    def declaration_offers(self, *kinds: str) -> list[Offer]:
        """The declarations of these kinds; the first word of a broken one is its kind."""
        offers = []
        for name, target, node in self._iter_declarations():
            kind = _declaration_kind(node, target)
            if kind in kinds:
                offers.append(Offer(name, kind, _declaration_summary(node, target)))
        return offers

    def refine_column_offers(self) -> list[Offer]:
        """The columns that the `refine` declarations add: a `require` may read them."""
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
        """The columns that no field hides.

        Without `plain` also the columns whose names are no identifiers, as `column("…")`.
        """
        fields = {offer.text for offer in self.declaration_offers("field")}
        free = [name for name in self.columns if name not in fields]
        offers = [Offer(name, "column") for name in free if _is_name(name)]
        if not plain:
            others = (name for name in free if not _is_name(name))
            offers += [Offer(_as_column_call(n), "column", filter_text=n) for n in others]
        return offers

    def function_offers(self, of: Literal["row", "field", "number", "rows"]) -> list[Offer]:
        """The functions of a kind.

        `rows` are those over all rows. Of one row there are all (`row`), those that take no score
        (`field`), and those that take numbers only (`number`).
        """
        return [
            _offer_function(f) for f in self.universe.functions.values() if _is_function_for(of, f)
        ]

    def std_grader_offers(self) -> list[Offer]:
        """The graders of the standard library, without their `std.`."""
        graders = [d for d in self.universe.library.declarations if isinstance(d, nodes.GraderDecl)]
        return [Offer(grader.name.id, "grader", _first_doc_line(grader.doc)) for grader in graders]

    def rebindable_names(self, called: str) -> list[str]:
        """The names that a call of a grader or an aggregate may rebind."""
        # `std.relevance` is the grader of the library, `relevance` that of the spec.
        name = called.removeprefix("std.")
        target = self._book.root.find(name)
        if name != called:
            target = QualifiedName(self._book.library, name)
        if target is None:
            return []
        node = target.file.declarations.get(target.name)
        if not isinstance(node, nodes.GraderDecl | nodes.AggregateDecl):
            return []
        grader = GraderResolver(self._book, ModelTable(self._book)).resolve(target)
        return sorted(grader.names) if grader else []

    def import_offers(self, path: str) -> list[Offer]:
        """The declarations that a file exports; none where the file cannot be read."""
        try:
            # The author may still be writing the path.
            other = self.universe.load(path, self.source.name)
        except (OSError, ValueError):
            return []
        names = SpecNames(other, self.universe, ())
        return names.declaration_offers(*SCORED_KINDS, "param", "model")


def _declaration_kind(node: NamedDeclaration, target: QualifiedName) -> str:
    match node:
        case nodes.Broken():
            return target.file.source.text[node.span.start : node.span.end].split(maxsplit=1)[0]
        case nodes.FieldDecl():
            return "field"
        case nodes.ModelDecl():
            return "model"
        case _:
            return nodes.keyword_of(node)


def _declaration_summary(node: NamedDeclaration, target: QualifiedName) -> str:
    """One line about a declaration: its documentation, and its scale or its value."""
    text = target.file.source.text
    match node:
        case nodes.GraderDecl():
            parts = [_first_doc_line(node.doc)]
            if node.scale:
                parts.insert(0, f"-> {text[node.scale.span.start : node.scale.span.end]}")
            return "  ".join(part for part in parts if part)
        case nodes.FieldDecl() | nodes.ParamDecl() | nodes.ModelDecl():
            return "= " + _shorten_value(text[node.value.span.start : node.value.span.end])
        case nodes.Broken():
            return ""
        case _:
            return _first_doc_line(node.doc)


def _is_function_for(of: str, function: Function) -> bool:
    if function.is_statistic or of == "rows":
        return function.is_statistic and of == "rows"
    types = {parameter.type for parameter in function.parameters}
    if of == "field":
        return "score" not in types
    if of == "number":
        return types == {"number"}
    return True


def _offer_function(function: Function) -> Offer:
    return Offer(function.name, "function", f"{function}: {_first_doc_line(function.doc)}")


def _first_doc_line(doc: str) -> str:
    return doc.split("\n", 1)[0]


def _shorten_value(text: str) -> str:
    # A long value would push the other columns of the menu out of sight.
    folded = " ".join(text.split())
    if len(folded) <= _MAX_VALUE_CHARS:
        return folded
    return folded[: _MAX_VALUE_CHARS - 1] + "…"


def _is_name(text: str) -> bool:
    return text.isidentifier() and text not in grammar_keywords().reserved_words


def _as_column_call(column: str) -> str:
    # The backslash comes first: the other replacements add some.
    for char, escape in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        column = column.replace(char, escape)
    return f'column("{column}")'


def unique_offers(offers: Iterable[Offer]) -> list[Offer]:
    """Each text once, as it was first offered."""
    by_text: dict[str, Offer] = {}
    for offer in offers:
        by_text.setdefault(offer.text, offer)
    return list(by_text.values())
