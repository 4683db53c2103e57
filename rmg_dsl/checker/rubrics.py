"""Check rubrics: each line must fit the scale."""

from __future__ import annotations

import re

from rmg_dsl.checker.expressions import ExpressionChecker
from rmg_dsl.checker.prompts import check_template
from rmg_dsl.checker.scope import Scope
from rmg_dsl.ir.expr import Term, scorings_in
from rmg_dsl.ir.scoring import RubricLine
from rmg_dsl.prompts.template import RENDER_FAILURES, Prompt, has_tags
from rmg_dsl.scales import Scale
from rmg_dsl.syntax import nodes

_TWO_QUESTIONS = re.compile(r"\b(?:and|or)\b", re.I)


def check_rubric_source(
    rubric: nodes.Rubric | None, scale: Scale, expressions: ExpressionChecker, scope: Scope
) -> Term | None:
    """The field that a rubric comes from, with `rubric = FIELD`."""
    if rubric is None or rubric.source is None:
        return None
    typed = expressions.check(rubric.source, scope)
    if not scale.has_criteria:
        help = "a list of `{criterion, points}` scores on `points`"
        scope.report(
            "RMG315",
            f"a rubric from a field is for `points`, not for {scale}",
            rubric.span,
            help=help,
        )
    # Scores in a rubric would show a judge the verdicts of others.
    elif typed.type.kind not in ("list", "any") or any(True for _ in scorings_in(typed.term)):
        help = "it is a list of objects with `criterion` and `points`"
        scope.report(
            "RMG315", "a rubric from a field is a list of criteria", rubric.source.span, help=help
        )
    return typed.term


def check_rubric(
    rubric: nodes.Rubric | None, scale: Scale, expressions: ExpressionChecker, scope: Scope
) -> tuple[RubricLine, ...]:
    """Check the lines of a rubric against the scale; returns them in the written order."""
    if rubric is None or rubric.source is not None:
        return ()
    lines: list[RubricLine] = []
    levels_used: set[object] = set()
    for criterion in rubric.criteria:
        _check_level(criterion, scale, levels_used, scope)
        lines.append(
            RubricLine(_criterion_level(criterion), _criterion_text(criterion, expressions, scope))
        )
        if scale.has_criteria:
            _note_double_criterion(criterion, scope)
    # The score divides by the positive points, so there must be some. A line that could not be
    # read may have them.
    gives_points = any(isinstance(c.level, int | float) and c.level > 0 for c in lines)
    if scale.has_criteria and not gives_points and not rubric.damaged:
        scope.report(
            "RMG315", "no criterion gives points", rubric.span, help='add a line such as `+5: "…"`'
        )
    return tuple(lines)


def _criterion_level(criterion: nodes.CriterionLine) -> float | int | bool | str:
    level = criterion.level
    return level.id if isinstance(level, nodes.NameNode) else level.value


def _note_double_criterion(criterion: nodes.CriterionLine, scope: Scope) -> None:
    """Note a criterion with two parts: a judge cannot say that half of it is met."""
    # A judge answers each criterion with one yes or no.
    match = _TWO_QUESTIONS.search(criterion.text.value)
    if match is not None:
        help = "make two criteria of it, each with its points; leave it where it is one thing"
        word = match.group().lower()
        scope.report(
            "RMG329",
            f"`{word}`: does this criterion ask two things?",
            criterion.text.span,
            help=help,
        )


def _check_level(
    criterion: nodes.CriterionLine, scale: Scale, levels_used: set[object], scope: Scope
) -> None:
    level = criterion.level
    value = _criterion_level(criterion)
    span = level.span
    if scale.has_criteria:
        if not isinstance(level, nodes.NumberNode | nodes.NameNode) or value == 0:
            scope.report(
                "RMG315",
                "criteria of `points` start with their points",
                span,
                help='write `+5: "…"`, `-8: "…"` or `veto: "…"`',
            )
        return
    problem, help = _level_misfit(level, scale)
    if problem:
        scope.report("RMG315", problem, span, help=help)
    # A plus sign shows that the author thinks of points; a minus may be a level below 0.
    elif criterion.signed and isinstance(value, int | float) and value >= 0:
        scope.report(
            "RMG315",
            f"`+{value:g}` gives points, and the scale is {scale}",
            span,
            help=f"write `{value:g}:`, or `-> points`",
        )
    # The type keeps 1, 1.0 and True apart, which Python calls equal.
    elif (type(value), value) in levels_used:
        scope.report(
            "RMG211",
            f"the level {value} stands twice in this rubric",
            span,
            help="keep one of them",
        )
    levels_used.add((type(value), value))


def _level_misfit(
    level: nodes.NumberNode | nodes.TextNode | nodes.TruthNode | nodes.NameNode, scale: Scale
) -> tuple[str, str]:
    """Why a level is not on the scale, and a help text; both empty where it is."""
    if isinstance(level, nodes.NameNode):
        return f"the level {level.id} is not on the scale", scale.level_help(level.id)
    if scale.accepts_level(level.value):
        return "", ""
    return f"the level {level.value} is not on the scale", scale.level_help(level.value)


def _criterion_text(
    criterion: nodes.CriterionLine, expressions: ExpressionChecker, scope: Scope
) -> str:
    """Render the text of a criterion. It is the same for all rows, so it may name params only."""
    if not has_tags(criterion.text.value):
        return criterion.text.value
    template = check_template(criterion.text, expressions, scope, "the rubric")
    # The rubric is in the constant part of the prompt, which providers cache.
    if template.bindings:
        help = (
            "the rubric stands before the row's data and is the same for every row; "
            "name fields in the prompt"
        )
        message = f"`{template.bindings[0][0]}` cannot stand in a rubric"
        scope.report("RMG401", message, criterion.text.span, help=help)
        return criterion.text.value
    try:
        return Prompt(template.text, template.constants).render({}, "data")
    # The mistake of the template is reported; its text as written is as good as any.
    except RENDER_FAILURES:
        return criterion.text.value
