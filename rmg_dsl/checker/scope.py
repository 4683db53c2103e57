"""Where a name is looked up, and the book in which a check writes down what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Literal, NamedTuple

from rmg_dsl.checker.signatures import Function
from rmg_dsl.diagnostics import Diagnostic, Fix, Severity, Source, Span, diagnose
from rmg_dsl.ir.expr import Term
from rmg_dsl.ir.scoring import Scoring
from rmg_dsl.ir.suite import ColumnUse
from rmg_dsl.ir.types import Type
from rmg_dsl.suggest import nearest
from rmg_dsl.syntax import nodes

LiteralValue = float | int | bool | str
NamedDeclaration = (
    nodes.ParamDecl
    | nodes.ModelDecl
    | nodes.FieldDecl
    | nodes.GraderDecl
    | nodes.PairwiseDecl
    | nodes.RankingDecl
    | nodes.AggregateDecl
    | nodes.Broken
)


class TypedTerm(NamedTuple):
    """An expression with its names resolved, and what it can be worth."""

    term: Term
    type: Type


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Universe:
    """All that a check may know besides the text: handed in, so that nothing here looks outside.

    `load` gives the source of an imported file or raises `OSError`; `setting_problem` says what is wrong with a model
    setting; `columns` are the data's, or none where there is no data.
    """

    functions: Mapping[str, Function]
    library: nodes.Module
    load: Callable[[str, str], Source]
    setting_problem: Callable[[str, object], str | None]
    settings: tuple[str, ...]
    providers: tuple[str, ...]
    columns: frozenset[str] | None = None
    params: Mapping[str, LiteralValue] = field(default_factory=dict)
    python_functions: frozenset[str] = frozenset()


class QualifiedName(NamedTuple):
    """A name of another file."""

    file: SpecFile
    name: str


@dataclass(slots=True, eq=False, repr=False)
class SpecFile:
    """One spec file in a check: its declarations by name, and the names it takes from others.

    `incomplete` where a part could not be read, so that an unknown name may be that part's; `hides_fields` where only
    fields can be meant.
    """

    module: nodes.Module
    declarations: dict[str, NamedDeclaration] = field(default_factory=dict)
    imports: dict[str, QualifiedName] = field(default_factory=dict)
    is_incomplete: bool = False
    sees_only_fields: bool = False
    is_library: bool = False

    @property
    def source(self) -> Source:
        return self.module.source

    @property
    def has_broken(self) -> bool:
        """Is there a declaration that could not be read?"""
        return any(isinstance(declared, nodes.Broken) for declared in self.declarations.values())

    def names(self) -> set[str]:
        return {*self.declarations, *self.imports}

    def find_field(self, name: str) -> QualifiedName | None:
        """A field of this file; fields are not imported, so those of other files never count."""
        return (
            QualifiedName(self, name)
            if isinstance(self.declarations.get(name), nodes.FieldDecl)
            else None
        )

    def find(self, name: str) -> QualifiedName | None:
        """The file in which a name is declared, through imports."""
        if name in self.declarations:
            return QualifiedName(self, name)
        target = self.imports.get(name)
        return target.file.find(target.name) if target else None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ResolvedGrader:
    """A grader or aggregate, resolved: its number in the suite, its type, and the names by which it can be rebound."""

    scoring: int
    type: Type
    passing: Term | None
    names: frozenset[str]


Bindings = tuple[tuple[str, TypedTerm], ...]
ScopeKind = Literal["field", "row", "rows", "setting"]


@dataclass(slots=True, eq=False, repr=False)
class CheckState:
    """What a check finds, in one place: diagnostics, ways of scoring (each once), columns, uses."""

    universe: Universe
    root: SpecFile
    library: SpecFile
    diagnostics: list[Diagnostic] = field(default_factory=list)
    scorings: dict[Scoring, int] = field(default_factory=dict)
    columns: dict[str, ColumnUse] = field(default_factory=dict)
    used_names: set[tuple[int, str]] = field(default_factory=set)
    _intended_names: dict[tuple[int, str, str], str | None] = field(default_factory=dict)

    def intended_name(self, name: str, file: SpecFile, own_field: str) -> str | None:
        """The declared name that an undeclared one is meant to be, or none; looked for once for each name."""
        key = (id(file), name, own_field)
        if key not in self._intended_names:
            self._intended_names[key] = nearest(
                name, (file.names() | self.root.names()) - {own_field}
            )
        return self._intended_names[key]

    def scoring_number(self, scoring: Scoring) -> int:
        return self.scorings.setdefault(scoring, len(self.scorings))

    def scoring(self, number: int) -> Scoring:
        """The way of scoring of this number."""
        return next(islice(self.scorings, number, None))

    def mark_used(self, file: SpecFile, name: str) -> None:
        self.used_names.add((id(file), name))

    def use_column(self, name: str, source: Source, span: Span, optional: bool) -> None:
        before = self.columns.get(name)
        if before is None or (before.optional and not optional):
            self.columns[name] = ColumnUse(name, source, span, optional)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Scope:
    """How names are read at one place: `place` says what kind of value is wanted, `words` are the key's own.

    `bound` are the fields rebound by a call, `touched` collects the names that a call could rebind.
    """

    state: CheckState
    file: SpecFile
    owner: str
    kind: ScopeKind = "row"
    local_names: Mapping[str, TypedTerm] = field(default_factory=dict)
    bindings: Bindings = ()
    drops_missing: bool = False
    allows_missing: bool = False
    own_field: str = ""
    rebindable_names: set[str] = field(default_factory=set)
    calling_file: SpecFile | None = None

    @property
    def default_model_file(self) -> SpecFile:
        """The file whose default model is asked: for the standard library's graders, the file that uses them."""
        return self.calling_file or self.file

    def report(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        label: str = "",
        help: str = "",
        fixes: Iterable[Fix] = (),
        severity: Severity | None = None,
    ) -> None:
        self.state.diagnostics.append(
            diagnose(
                code,
                message,
                self.file.source,
                span,
                label=label,
                help=help,
                fixes=fixes,
                severity=severity,
            )
        )

    def with_kind(self, place: ScopeKind) -> Scope:
        return replace(self, kind=place)

    def allowing_missing(self) -> Scope:
        return replace(self, allows_missing=True)

    def source_text(self, node: nodes.Expr) -> str:
        return self.file.source.text[node.span.start : node.span.end]
