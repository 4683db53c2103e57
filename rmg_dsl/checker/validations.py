"""Checks of `validate`: which grader is compared with which verdicts of people, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

from rmg_dsl.checker.expressions import ExpressionChecker
from rmg_dsl.checker.keys import check_plain_value, check_settings, is_fully_read
from rmg_dsl.checker.raters import (
    Rater,
    are_words_and_numbers,
    check_distinct_raters,
    not_categorical_reason,
    typed_text,
)
from rmg_dsl.checker.scope import Scope
from rmg_dsl.ir import expr
from rmg_dsl.ir.expr import Term
from rmg_dsl.ir.suite import Validation, ValidationLevel
from rmg_dsl.syntax import nodes
from rmg_dsl.syntax.declarations import declarations, keys_of

_VALIDATION_LEVELS: Mapping[str, ValidationLevel] = {
    level: level for level in get_args(ValidationLevel)
}


def check_validation(
    declared: nodes.ValidateDecl, expressions: ExpressionChecker, scope: Scope
) -> Validation | None:
    """Check a `validate` and report every mistake in it; None where it names no grader."""
    keys = check_settings(declared.body, "validate", scope) if declared.body else {}
    group = expressions.check(keys["group"].value, scope).term if "group" in keys else None
    level = _validation_level(declared, keys, scope)
    people = [Rater.of(node, expressions.check(node, scope), scope) for node in declared.columns]
    if not expressions.check_score_name(declared.name, scope, scope.owner):
        return None
    judge = Rater.of(declared.name, expressions.check(declared.name, scope), scope)
    if not isinstance(judge.expression.term, expr.ScoreRef):
        _report_no_grader(judge, scope)
        return None
    check_distinct_raters([judge, *people], scope)
    _check_verdict_kinds(judge, people, scope)
    scorings = tuple(scope.state.scorings)
    is_categorical = not not_categorical_reason(judge.expression, scorings, scope)
    return Validation(
        declared.name.id,
        judge.expression.term.scoring,
        judge.type,
        is_categorical,
        _named_verdicts(people, scope),
        group,
        level,
        scope.file.source,
        declared.span,
    )


def _named_verdicts(people: Sequence[Rater], scope: Scope) -> tuple[tuple[str, Term], ...]:
    """Each person's verdicts, by the text of the expression."""
    return tuple(
        (" ".join(scope.source_text(person.node).split()), person.expression.term)
        for person in people
    )


def _report_no_grader(judge: Rater, scope: Scope) -> None:
    if _is_broken_score(judge.node, scope):
        return
    if not any(d.span == judge.node.span for d in scope.state.diagnostics):
        message = "`validate` wants a grader or an aggregate: "
        message += "it compares what that says with what people say"
        scope.report(
            "RMG215",
            message,
            judge.node.span,
            help="write `validate relevance against human_relevance`",
        )


def _is_broken_score(node: nodes.Expr, scope: Scope) -> bool:
    """Is this the name of a grader that has a mistake of its own, which is reported there?"""
    place = scope.file.find(node.id) if isinstance(node, nodes.NameNode) else None
    if place is None:
        return False
    spec = declarations().get(nodes.keyword_of(place.file.declarations[place.name]))
    return spec is not None and spec.gives_score


def _check_verdict_kinds(judge: Rater, people: Sequence[Rater], scope: Scope) -> None:
    for person in people:
        if are_words_and_numbers(judge.type, person.type):
            types = f"{typed_text(judge, scope)}, {typed_text(person, scope)}"
            message = "`validate` compares verdicts of one kind: one gives words, the other numbers"
            scope.report("RMG341", message, person.node.span, help=types)


def _validation_level(
    declared: nodes.ValidateDecl, keys: Mapping[str, nodes.SettingLine], scope: Scope
) -> ValidationLevel:
    """The level of the comparison; every level but `pooled` needs groups."""
    setting = keys.get("level")
    if setting is None:
        return "pooled"
    check_plain_value(setting, keys_of("validate")["level"], scope)
    word = setting.value.id if isinstance(setting.value, nodes.NameNode) else ""
    level = _VALIDATION_LEVELS.get(word, "pooled")
    # A block with a line that could not be read may hold the missing `group`.
    body = declared.body
    if (
        level != "pooled"
        and "group" not in keys
        and body is not None
        and is_fully_read(body, "validate")
    ):
        help = "add `group = …`: the field that says which rows belong together"
        scope.report(
            "RMG212", f"`level = {word}` of {scope.owner} needs `group`", setting.span, help=help
        )
    return level
