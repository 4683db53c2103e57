"""Code graders whose null comes from the graded text: what an answer lacks is wrong."""

from __future__ import annotations

from collections.abc import Iterator

from rmg_dsl.checker.expressions import ExpressionChecker
from rmg_dsl.checker.scope import Scope
from rmg_dsl.ir import expr
from rmg_dsl.ir.expr import Term, walk_terms
from rmg_dsl.syntax import nodes

_GRADED_NAMES = ("response", "answer", "output", "completion", "reply", "prediction", "draft")


def warn_lost_answers(
    expressions: ExpressionChecker, term: Term, value: nodes.Expr, scope: Scope
) -> None:
    """Warn of `extract(response, …)` without a default in a code grader.

    A row whose response has no match is `missing_input` and leaves every mean, so that the worst
    answers would not count.
    """
    # A call of the grader with names rebound says the same again.
    if scope.bindings or scope.file.is_library:
        return
    if not any(isinstance(t, expr.Call) and t.function == "extract" for t in walk_terms(term)):
        return
    guarded = {
        inner
        for guard in walk_terms(term)
        if isinstance(guard, expr.IsPresent | expr.WithDefault)
        for inner in walk_terms(guard.operand)
    }
    graded = set(_graded_terms(expressions, scope))
    for call in walk_terms(term):
        if not isinstance(call, expr.Call) or call.function != "extract" or call in guarded:
            continue
        if graded.intersection(walk_terms(call.arguments[0])):
            scope.report(
                "RMG333",
                f"{scope.owner} leaves out the rows whose graded text has no match for `extract`",
                value.span,
                help='where such an answer is wrong write `default(extract(…), "")`',
            )
            return


def _graded_terms(expressions: ExpressionChecker, scope: Scope) -> Iterator[Term]:
    """The columns and fields that hold the graded text, by their usual names."""
    for name in _GRADED_NAMES:
        field = scope.state.root.find_field(name)
        if field is None:
            yield expr.ColumnRef(name)
        else:
            assert isinstance(field.declaration, nodes.FieldDecl)
            yield expressions.check_field(field.declaration, field, scope.allowing_missing()).term
