"""Check a spec: resolve every name, infer every type, and report all mistakes in one run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rmg_dsl.checker.column_clashes import column_clashes
from rmg_dsl.checker.graders import MAX_DEPTH, GraderResolver, ScoringDecl, report_depth
from rmg_dsl.checker.imports import ImportResolver
from rmg_dsl.checker.models import ModelTable
from rmg_dsl.checker.refinement import RefineChecker
from rmg_dsl.checker.scope import CheckState, QualifiedName, Scope, SpecFile, TypedTerm, Universe
from rmg_dsl.checker.validations import check_validation
from rmg_dsl.diagnostics import Diagnostic, Span, has_errors, sort_diagnostics
from rmg_dsl.ir import expr
from rmg_dsl.ir.columns import OutputKind, actual_columns, loop_column_names
from rmg_dsl.ir.expr import Term
from rmg_dsl.ir.scoring import (
    ModelUse,
    PairwiseRanking,
    RankingScoring,
    RefineScoring,
    Scoring,
    reachable_from,
    scoring_dependencies,
    scoring_models,
)
from rmg_dsl.ir.suite import CheckedSuite, Output, Requirement, Validation
from rmg_dsl.ir.types import ANY
from rmg_dsl.syntax import ParseResult, nodes

_OUTPUT_KINDS: Mapping[type, OutputKind] = {
    nodes.GraderDecl: "grader",
    nodes.AggregateDecl: "aggregate",
    nodes.PairwiseDecl: "pairwise",
    nodes.RankingDecl: "ranking",
}

# What need not be worked out for its own sake where another declaration uses it.
_INTERMEDIATE_KINDS = ("grader", "pairwise", "ranking")


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A suite without the parts that have errors, and the diagnostics of its text."""

    suite: CheckedSuite
    diagnostics: tuple[Diagnostic, ...]


def collect_declarations(parsed: ParseResult, universe: Universe) -> CheckState:
    """Collect the names of a spec and of the files that it imports, without checking them."""
    library = SpecFile(
        universe.library,
        {d.name.id: d for d in universe.library.declarations if isinstance(d, nodes.GraderDecl)},
    )
    library.is_library = True
    root = SpecFile(parsed.module)
    state = CheckState(universe, root, library)
    ImportResolver(state).read(root)
    return state


def check_spec(parsed: ParseResult, universe: Universe) -> CheckResult:
    """Check a parsed spec against a universe. No text makes it raise."""
    state = collect_declarations(parsed, universe)
    checker = _Checker(state)
    # Graders first: refine, require and validate refer to them.
    outputs = checker.check_outputs()
    outputs += checker.check_refinements()
    checker.report_column_clashes(outputs)
    requirements = checker.check_requirements()
    validations = checker.check_validations()
    # A part that could not be parsed may be the use of a name that seems unused.
    if not has_errors(parsed.diagnostics):
        checker.report_unused()
    diagnostics = sort_diagnostics([*parsed.diagnostics, *state.diagnostics])
    return CheckResult(
        checker.build_suite(outputs, requirements, validations, diagnostics), diagnostics
    )


class _Checker:
    def __init__(self, state: CheckState) -> None:
        self.state = state
        self.root = state.root
        self.models = ModelTable(state)
        self.graders = GraderResolver(state, self.models)
        self.expressions = self.graders.expressions
        self._field_terms: tuple[tuple[str, Term], ...] = ()
        self._require_names: dict[str, TypedTerm] = {}

    # ── graders and aggregates ──

    def check_outputs(self) -> list[Output]:
        self._field_terms = self._check_fields()
        # Models that no grader uses are checked as well: a mistake in them is still one.
        for name in self.models.declared_models(self.root):
            self.models.resolve_model(self.root, name)
        outputs = [
            output
            for declared in self._declarations_of(*_OUTPUT_KINDS)
            if (output := self._build_output(declared))
        ]
        self._check_depth(outputs)
        return outputs

    def _check_depth(self, outputs: Iterable[Output]) -> None:
        """Report the first output that stands on too many others."""
        depths: list[int] = []
        for scoring in self.state.scorings:
            # A scoring is registered after those that it reads.
            below = [depths[n] for n in scoring_dependencies(scoring) if n < len(depths)]
            depths.append(1 + max(below, default=0))
        for output in outputs:
            if depths[output.scoring] > MAX_DEPTH:
                declared = self.root.declarations[output.name]
                assert isinstance(declared, ScoringDecl)
                report_depth(declared, self.state, self.root)
                return

    def _declarations_of(
        self, *kinds: type
    ) -> Iterator[nodes.GraderDecl | nodes.AggregateDecl | nodes.PairwiseDecl | nodes.RankingDecl]:
        for name, declared in self.root.declarations.items():
            if isinstance(declared, kinds):
                assert not isinstance(declared, nodes.Broken)
                assert declared.name.id == name
                yield declared  # type: ignore[misc] # narrowed by the kinds that the callers pass

    def _check_fields(self) -> tuple[tuple[str, Term], ...]:
        """Resolve every field. Its columns may be missing here, because its uses decide whether one
        is needed.
        """
        fields: list[tuple[str, Term]] = []
        for name, declared in self.root.declarations.items():
            if isinstance(declared, nodes.FieldDecl):
                scope = Scope(self.state, self.root, f"field `{name}`", allows_missing=True)
                fields.append(
                    (
                        name,
                        self.expressions.check_field(
                            declared, QualifiedName(self.root, name), scope
                        ).term,
                    )
                )
        return tuple(fields)

    def _build_output(
        self,
        declared: nodes.GraderDecl | nodes.AggregateDecl | nodes.PairwiseDecl | nodes.RankingDecl,
    ) -> Output | None:
        graded = self.graders.resolve(QualifiedName(self.root, declared.name.id))
        if graded is None:
            return None
        kind = _OUTPUT_KINDS[type(declared)]
        return Output(
            declared.name.id,
            kind,
            graded.scoring,
            graded.type,
            graded.passing,
            kind == "aggregate",
            declared.doc or self._inherited_doc(declared),
            self.root.source,
            declared.name.span,
        )

    def _inherited_doc(self, declared: object) -> str:
        """The documentation of the standard grader that this declaration renames, if it does."""
        value = getattr(declared, "body", None)
        target = value.function if isinstance(value, nodes.CallNode) else value
        if (
            isinstance(target, nodes.AttributeNode)
            and target.key.id in self.state.library.declarations
        ):
            return getattr(self.state.library.declarations[target.key.id], "doc", "")
        return ""

    def report_column_clashes(self, outputs: Iterable[Output]) -> None:
        """Report two declarations that would write the same column."""
        for clash in column_clashes(outputs):
            self._report("RMG217", clash.message, clash.span, clash.help)

    def _report(self, code: str, message: str, span: Span, help: str = "") -> None:
        Scope(self.state, self.root, "").report(code, message, span, help=help)

    # ── require, refine, validate ──

    def check_requirements(self) -> list[Requirement]:
        return [
            requirement
            for node in self.root.module.declarations
            if isinstance(node, nodes.RequireDecl)
            and (requirement := self._build_requirement(node))
        ]

    def _build_requirement(self, node: nodes.RequireDecl) -> Requirement | None:
        scope = Scope(
            self.state, self.root, "this `require`", "rows", local_names=self._refine_columns()
        )
        # A requirement with an error is left out, and the rest of the suite stands.
        before = len(self.state.diagnostics)
        condition = node.condition
        typed = self.expressions.check(condition, scope)
        text = " ".join(scope.source_text(condition).split())
        if any(d.severity == "error" for d in self.state.diagnostics[before:]):
            return None
        if typed.type.kind != "bool":
            help = f"compare it: `require {text} >= …`"
            scope.report(
                "RMG301",
                f"a `require` is true or false, and `{text}` is {typed.type}",
                condition.span,
                help=help,
            )
            return None
        if not any(isinstance(t, expr.Statistic) for t in expr.walk_terms(typed.term)):
            help = "for example `require mean(reward) >= 3.5`"
            scope.report(
                "RMG319", "this `require` says nothing about the rows", condition.span, help=help
            )
            return None
        return Requirement(typed.term, text, self.root.source, node.span)

    def _refine_columns(self) -> dict[str, TypedTerm]:
        """The columns that a refine adds may be gated, though nothing declares them by name."""
        fields = [
            node.name.id
            for node in self.root.module.declarations
            if isinstance(node, nodes.RefineDecl)
        ]
        if not fields:
            return self._require_names
        names = loop_column_names(fields, self.root.declarations)
        return {name: TypedTerm(expr.ColumnRef(name), ANY) for name in names} | self._require_names

    def check_refinements(self) -> list[Output]:
        """What the loops leave behind on each row."""
        refinements = RefineChecker(self.state, self.models, self.graders)
        outputs: list[Output] = []
        for node in self.root.module.declarations:
            if isinstance(node, nodes.RefineDecl):
                left = refinements.check(node, self.root)
                self._require_names |= left.require_names
                outputs += left.outputs
        return outputs

    def check_validations(self) -> list[Validation]:
        declared = [
            node for node in self.root.module.declarations if isinstance(node, nodes.ValidateDecl)
        ]
        scopes = [Scope(self.state, self.root, f"validate `{node.name.id}`") for node in declared]
        validations = (
            check_validation(n, self.expressions, scope)
            for n, scope in zip(declared, scopes, strict=True)
        )
        return [validation for validation in validations if validation is not None]

    # ── unused ──

    def report_unused(self) -> None:
        if self.root.is_incomplete or any(d.severity == "error" for d in self.state.diagnostics):
            return
        for name, declared in self.root.declarations.items():
            if (id(self.root), name) in self.state.used_names:
                continue
            if isinstance(declared, nodes.ModelDecl):
                self._report(
                    "RMG209",
                    f"model `{name}` is never used",
                    declared.name.span,
                    self._unused_model_help(name),
                )
            elif isinstance(declared, nodes.ParamDecl):
                message = f"param `{name}` is not used in this file"
                Scope(self.state, self.root, "").report(
                    "RMG209", message, declared.name.span, severity="note"
                )
            elif isinstance(declared, nodes.FieldDecl):
                self._report("RMG219", f"field `{name}` is not used", declared.name.span)
        for node in self.root.module.declarations:
            if isinstance(node, nodes.ImportDecl):
                self._report_unused_imports(node)

    def _unused_model_help(self, name: str) -> str:
        judge = "judge" in self.root.declarations
        return f"give a grader `model = {name}`, or remove it" + (
            "" if judge else "; the default is the one named `judge`"
        )

    def _report_unused_imports(self, node: nodes.ImportDecl) -> None:
        for imported in node.names:
            name = imported.local_name.id
            if (id(self.root), name) in self.state.used_names or name not in self.root.imports:
                continue
            # `--set` reaches a param of another file only by its import: that is its use.
            target = self.root.find(name)
            if target is None or not isinstance(target.declaration, nodes.ParamDecl):
                self._report(
                    "RMG209",
                    f"`{imported.local_name.id}` is imported and never used",
                    imported.span,
                    "remove it",
                )

    # ── the suite ──

    def build_suite(
        self,
        outputs: list[Output],
        requirements: list[Requirement],
        validations: list[Validation],
        diagnostics: tuple[Diagnostic, ...],
    ) -> CheckedSuite:
        scorings = tuple(self.state.scorings)
        used = {
            child
            for s in scorings
            for child in (*scoring_dependencies(s), *self._pairwise_used_by(s))
        }
        forced = [number for g in requirements for number in expr.scorings_in(g.condition)]
        for validation in validations:
            forced += [
                validation.scoring,
                *(n for term in validation.terms for n in expr.scorings_in(term)),
            ]
        judged = _judged_scorings(scorings)
        rooted = tuple(
            replace(
                o,
                # Code costs nothing: where it ran on some rows only, whoever uses a grader would
                # decide what its mean is about.
                root=o.kind not in _INTERMEDIATE_KINDS
                or o.scoring not in used
                or o.scoring not in judged,
                columns=actual_columns(o.kind, o.type, scorings[o.scoring]),
            )
            for o in outputs
        )
        return CheckedSuite(
            self.root.source,
            self.root.module.doc,
            self._params(),
            self._models(scorings),
            rooted,
            scorings,
            tuple(dict.fromkeys(n for n in forced if n not in used)),
            tuple(requirements),
            tuple(validations),
            tuple(self.state.columns.values()),
            self._field_terms,
            diagnostics,
        )

    def _pairwise_used_by(self, scoring: Scoring) -> Iterator[int]:
        """The pairwise by which a ranking or a loop compares: its own sides are compared only where
        others ask.
        """
        if isinstance(scoring, RankingScoring) and isinstance(scoring.method, PairwiseRanking):
            yield self.state.scorings[scoring.method.comparison]
        elif isinstance(scoring, RefineScoring) and scoring.is_pairwise:
            yield scoring.by.row_scoring

    def _params(self) -> tuple[tuple[str, float | int | bool | str], ...]:
        overrides = self.state.universe.params
        names = [*self.root.declarations, *self.root.imports]
        targets = ((name, self.root.find(name)) for name in names)
        params = ((n, f.declaration) for n, f in targets if f)
        return tuple(
            (n, overrides.get(n, d.value.value))
            for n, d in params
            if isinstance(d, nodes.ParamDecl)
        )

    @staticmethod
    def _models(scorings: Iterable[Scoring]) -> tuple[ModelUse, ...]:
        return tuple(dict.fromkeys(model for s in scorings for model in scoring_models(s)))


def _judged_scorings(scorings: Sequence[Scoring]) -> frozenset[int]:
    """The numbers of the scorings that ask a model, themselves or through others."""
    users: dict[int, list[int]] = {}
    for number, scoring in enumerate(scorings):
        for dependency in scoring_dependencies(scoring):
            users.setdefault(dependency, []).append(number)
    asking = (number for number, scoring in enumerate(scorings) if scoring_models(scoring))
    return reachable_from(asking, lambda number: users.get(number, ()))
