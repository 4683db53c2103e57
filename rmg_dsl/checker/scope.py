"""Scopes of names, and the state of one check: its diagnostics, ways of scoring and columns."""

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
from rmg_dsl.suggest import NameIndex, nearest, suggest_name
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
    """An expression with its names resolved, and its type."""

    term: Term
    type: Type


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Universe:
    """Everything that a check knows besides the text.

    The caller passes it in, so the checker does no I/O.

    `load` returns the source of an imported file or raises `OSError`. `setting_problem` returns
    what is wrong with a model setting. `columns` are the columns of the data, or None without data.
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
    """A name and the file that declares it."""

    file: SpecFile
    name: str

    @property
    def declaration(self) -> NamedDeclaration:
        """The declaration of this name. Raises KeyError if the file only imports it."""
        return self.file.declarations[self.name]


@dataclass(slots=True, eq=False, repr=False)
class SpecFile:
    """One spec file in a check: its declarations and its imports by name.

    `is_incomplete`: a part could not be parsed, so an unknown name may be declared there.
    `sees_only_fields`: a damaged `fields:` block may hold the unknown names.
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
        """Has the file a declaration that could not be parsed?"""
        return any(isinstance(declared, nodes.Broken) for declared in self.declarations.values())

    def names(self) -> set[str]:
        """All names of the file, declared or imported."""
        return {*self.declarations, *self.imports}

    def find_field(self, name: str) -> QualifiedName | None:
        """A field of this file, or None. Fields are never imported."""
        if not isinstance(self.declarations.get(name), nodes.FieldDecl):
            return None
        return QualifiedName(self, name)

    def find(self, name: str) -> QualifiedName | None:
        """Find the declaration of a name, following imports; None if there is none."""
        if name in self.declarations:
            return QualifiedName(self, name)
        target = self.imports.get(name)
        if target is None:
            return None
        return target.file.find(target.name)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ResolvedGrader:
    """A resolved grader or aggregate: its number in the suite, its type, and the names that a call
    can rebind.
    """

    scoring: int
    type: Type
    passing: Term | None
    names: frozenset[str]


Bindings = tuple[tuple[str, TypedTerm], ...]
ScopeKind = Literal["field", "row", "rows", "setting"]


@dataclass(slots=True, eq=False, repr=False)
class CheckState:
    """The mutable state of one check: diagnostics, ways of scoring (each once), columns, used
    names.
    """

    universe: Universe
    root: SpecFile
    library: SpecFile
    diagnostics: list[Diagnostic] = field(default_factory=list)
    scorings: dict[Scoring, int] = field(default_factory=dict)
    columns: dict[str, ColumnUse] = field(default_factory=dict)
    used_names: set[tuple[int, str]] = field(default_factory=set)
    _intended_names: dict[tuple[int, str, str], str | None] = field(default_factory=dict)
    _name_indexes: dict[int, NameIndex] = field(default_factory=dict)

    def intended_name(self, name: str, file: SpecFile, own_field: str) -> str | None:
        """The declared name that an undeclared one probably means, or None. Cached per name."""
        key = (id(file), name, own_field)
        if key not in self._intended_names:
            candidates = self._name_index(file).candidates(name)
            self._intended_names[key] = nearest(name, {*candidates} - {own_field})
        return self._intended_names[key]

    def _name_index(self, file: SpecFile) -> NameIndex:
        """The names that a file sees; a long spec has many undeclared names to compare with."""
        names = file.names() | self.root.names()
        index = self._name_indexes.get(id(file))
        if index is None or index.size != len(names):
            index = self._name_indexes[id(file)] = NameIndex(names)
        return index

    def scoring_number(self, scoring: Scoring) -> int:
        """The number of a way of scoring; equal ones share a number."""
        return self.scorings.setdefault(scoring, len(self.scorings))

    def scoring(self, number: int) -> Scoring:
        """The way of scoring with this number."""
        return next(islice(self.scorings, number, None))

    def mark_used(self, file: SpecFile, name: str) -> None:
        """Record a use, so that no note says that the declaration is unused."""
        self.used_names.add((id(file), name))

    def use_column(self, name: str, source: Source, span: Span, optional: bool) -> None:
        """Record the use of a column; a required use replaces an optional one."""
        before = self.columns.get(name)
        if before is None or (before.optional and not optional):
            self.columns[name] = ColumnUse(name, source, span, optional)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Scope:
    """How names are resolved at one place.

    `kind` is the kind of value that may stand here; `local_names` are the names that the key itself
    provides. `bindings` are names rebound by a call; `rebindable_names` collects the names that a
    call of this grader could rebind.
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
        """The file whose default model counts: for graders of the standard library, the file that
        uses them.
        """
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
        """Add a diagnostic at a span of this file."""
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

    def with_kind(self, kind: ScopeKind) -> Scope:
        """The same scope for another kind of value."""
        return replace(self, kind=kind)

    def allowing_missing(self) -> Scope:
        """The same scope where a column may lack a value."""
        return replace(self, allows_missing=True)

    def source_text(self, node: nodes.Expr) -> str:
        """The source text of an expression."""
        return self.file.source.text[node.span.start : node.span.end]


def suggest_fix(
    name: nodes.NameNode, candidates: Iterable[str], otherwise: str
) -> tuple[str, list[Fix]]:
    """The help and the fixes for an unknown name: the nearest candidate, or `otherwise` alone."""
    close = suggest_name(name.id, candidates)
    if not close:
        return otherwise, []
    return f"did you mean `{close}`?", [Fix(name.span, close, f"write `{close}`")]
