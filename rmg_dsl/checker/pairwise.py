"""`pairwise` and `ranking`: which of two is better, and which order the rows of a group are in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import cast

from rmg_dsl.checker.expressions import UNKNOWN, ExpressionChecker
from rmg_dsl.checker.judging import check_generator, check_samples
from rmg_dsl.checker.keys import check_plain_value, check_settings, is_fully_read
from rmg_dsl.checker.models import ModelTable
from rmg_dsl.checker.prompts import (
    CheckedTemplate,
    check_template,
    merge_templates,
    name_span,
    report_unquoted_text,
)
from rmg_dsl.checker.scope import CheckState, QualifiedName, ResolvedGrader, Scope, TypedTerm
from rmg_dsl.ir import expr
from rmg_dsl.ir.expr import Term
from rmg_dsl.ir.scoring import (
    DecisionRule,
    ListwiseRanking,
    ModelUse,
    PairwiseRanking,
    PairwiseScoring,
    RankingScoring,
    ScoreRanking,
)
from rmg_dsl.ir.types import LIST, Type, number_type
from rmg_dsl.prompts.template import outline
from rmg_dsl.syntax import nodes
from rmg_dsl.syntax.declarations import keys_of

FindGraderReference = Callable[
    [nodes.Expr, Scope], tuple[ResolvedGrader | None, QualifiedName] | None
]
Settings = Mapping[str, nodes.SettingLine]

SIDES = ("a", "b")
SHARE = number_type(0, 1, 1)


@dataclass(frozen=True, slots=True)
class ComparisonChecker:
    """Checks comparisons; `grader_alone` gives the grader that an expression is, where it is nothing but one."""

    book: CheckState
    models: ModelTable
    expressions: ExpressionChecker
    find_grader_reference: FindGraderReference

    # ── two fields ──

    def check_pairwise(self, declared: nodes.PairwiseDecl, scope: Scope) -> PairwiseScoring | None:
        """Which of two fields is better; none where it cannot be said what is compared, or by which question."""
        found = _check_plain_settings(declared.body, "pairwise", scope)
        sides = self._check_sides(found.get("compare"), scope)
        texts = self._check_templates(
            found,
            replace(scope, local_names=dict(zip(SIDES, sides or (UNKNOWN, UNKNOWN), strict=True))),
        )
        _check_both_shown(found.get("prompt"), scope)
        _check_orders(found, scope)
        jurors = self._panel_members(found, scope)
        if sides is None or "prompt" not in texts:
            return None
        names = merge_templates(texts)
        compared = PairwiseScoring(
            texts["prompt"].text,
            texts["system"].text if "system" in texts else "",
            (sides[0].term, sides[1].term),
            tuple((name, term) for name, term in names.bindings if name not in SIDES),
            tuple((name, value) for name, value in names.constants if name not in SIDES),
            tuple(name for name in names.needs if name not in SIDES),
            jurors,
            swap=bool(_comparison_setting(found, "swap", True)),
            decide=cast(DecisionRule, _comparison_setting(found, "decide", "agree")),
            samples=int(_comparison_setting(found, "samples", 1)),
            logprobs=bool(_comparison_setting(found, "logprobs", False)),
            generator=str(_comparison_setting(found, "generator", "")),
        )
        check_samples(compared, found.get("samples"), scope)
        check_generator(compared, found.get("generator"), scope)
        return compared

    def _check_sides(
        self, setting: nodes.SettingLine | None, scope: Scope
    ) -> tuple[TypedTerm, TypedTerm] | None:
        """What `{{ a }}` and `{{ b }}` show."""
        if setting is None:
            return None
        value = setting.value
        if not isinstance(value, nodes.ListNode) or len(value.items) != 2:
            help = "write `compare = [response, baseline]`"
            scope.report("RMG322", "`compare` is a list of two fields", value.span, help=help)
            return None
        one, other = (self._check_field(item, scope) for item in value.items)
        return one, other

    def _check_field(self, node: nodes.Expr, scope: Scope) -> TypedTerm:
        """A value of the row that a judge is shown: never a score."""
        found = self.expressions.check(node, scope)
        if any(True for _ in expr.scorings_in(found.term)):
            text = scope.source_text(node)
            help = "a judge is never shown scores; `by = …` of a ranking, or an aggregate, puts them together"
            scope.report(
                "RMG405",
                f"`{text}` is a score, and {scope.owner} shows fields",
                node.span,
                help=help,
            )
        return found

    def _check_templates(self, found: Settings, scope: Scope) -> dict[str, CheckedTemplate]:
        texts: dict[str, CheckedTemplate] = {}
        for key in ("prompt", "system"):
            value = found[key].value if key in found else None
            if isinstance(value, nodes.TextNode):
                texts[key] = check_template(value, self.expressions, scope, f"the {key}")
            elif value is not None:
                report_unquoted_text(found[key], scope)
        return texts

    def _panel_members(self, found: Settings, scope: Scope) -> tuple[ModelUse, ...]:
        return (
            self.models.resolve_setting(found["model"], scope)
            if "model" in found
            else self.models.default_model(scope)
        )

    # ── the rows of a group ──

    def check_ranking(
        self, declared: nodes.RankingDecl, scope: Scope
    ) -> tuple[RankingScoring, Type] | None:
        """The rows of a group in order, or the items of a list; none where it is not said by what."""
        found = _check_plain_settings(declared.body, "ranking", scope)
        group = self._check_group(found["group"].value, scope) if "group" in found else None
        among = self._check_field(found["among"].value, scope).term if "among" in found else None
        way = (
            self._check_by_key(found, among, scope)
            if "by" in found
            else self._check_by_judge(declared, found, among, scope)
        )
        if way is None:
            return None
        if group is None and among is None and is_fully_read(declared.body, "ranking"):
            help = "add `group = query`: the rows of the same value are ranked among themselves"
            scope.report(
                "RMG212", f"{scope.owner} needs `group = …`", declared.name.span, help=help
            )
        return RankingScoring(group, way), LIST if group is None else SHARE

    def _check_group(self, node: nodes.Expr, scope: Scope) -> Term:
        """What the rows of a group share: known before anybody is asked, so that the calls are too."""
        found = self.expressions.check(node, scope)
        if any(True for _ in expr.scorings_in(found.term)):
            help = "group by a column, or by an expression over columns in a `fields:` line"
            scope.report(
                "RMG218",
                f"`{scope.source_text(node)}` is a score, and rows are grouped by fields",
                node.span,
                help=help,
            )
        return found.term

    def _check_by_key(
        self, found: Settings, among: Term | None, scope: Scope
    ) -> ScoreRanking | PairwiseRanking | None:
        setting = found["by"]
        named = self.find_grader_reference(setting.value, scope)
        if named is not None and named[0] is None:
            return None
        scoring = self.book.scoring(named[0].scoring) if named and named[0] else None
        pairs = isinstance(scoring, PairwiseScoring)
        for key in ("prompt", "system", "model", *(() if pairs else ("among",))):
            if key in found:
                message = f"{scope.owner} ranks by a judge or by a score, not by both"
                help = "keep `by`, or `among` and `prompt`"
                scope.report("RMG115", message, found[key].key.span, help=help)
        if isinstance(scoring, PairwiseScoring):
            return PairwiseRanking(scoring.sides[0] if among is None else among, scoring)
        return self._check_by_score(setting.value, scope)

    def _check_by_score(self, value: nodes.Expr, scope: Scope) -> ScoreRanking | None:
        if not self.expressions.check_score_name(value, scope, f"`by` of {scope.owner}"):
            return None
        kind = self.expressions.check(value, scope)
        if not kind.type.is_numeric:
            help = (
                'give the labels values: `("bad"=0 | "good"=1)`'
                if kind.type.kind == "label"
                else ""
            )
            self.expressions.report_wrong_type(
                "RMG302", value, kind.type, "rows are ranked by a number", scope, help
            )
            return None
        return ScoreRanking(kind.term, kind.type.direction < 0)

    def _check_by_judge(
        self, declared: nodes.RankingDecl, found: Settings, among: Term | None, scope: Scope
    ) -> ListwiseRanking | None:
        texts = self._check_templates(found, scope)
        if among is None or "prompt" not in texts:
            _report_missing_ranking_keys(declared, found, scope)
            return None
        _check_no_candidate_shown(found["prompt"], among, texts["prompt"], scope)
        names = merge_templates(texts)
        system = texts["system"].text if "system" in texts else ""
        judges = self._panel_members(found, scope)
        if len(judges) > 1:
            help = "name one of its members, or rank by a grader of the panel: `by = …`"
            span = found["model"].span if "model" in found else declared.name.span
            scope.report("RMG322", f"{scope.owner} asks one judge, not a panel", span, help=help)
        return ListwiseRanking(
            among,
            texts["prompt"].text,
            system,
            names.bindings,
            names.constants,
            names.needs,
            judges[0],
        )


# ── one key at a time ────────────────────────────────────────────────────────────────────────────────────────────


def _check_plain_settings(
    block: nodes.Block, kind: str, scope: Scope
) -> dict[str, nodes.SettingLine]:
    found = check_settings(block, kind, scope)
    for key, setting in found.items():
        check_plain_value(setting, keys_of(kind)[key], scope)
    return found


def _comparison_setting(
    found: Settings, key: str, default: float | int | bool | str
) -> float | int | bool | str:
    """A plain value; of a wrong one, which is reported by now, the default."""
    value = found[key].value if key in found else None
    if isinstance(value, nodes.NameNode):
        return value.id if value.id in keys_of("pairwise")[key].words else default
    if isinstance(value, nodes.NumberNode | nodes.TruthNode | nodes.TextNode) and isinstance(
        value.value, type(default)
    ):
        return value.value
    return default


def _check_both_shown(setting: nodes.SettingLine | None, scope: Scope) -> None:
    prompt = setting.value if setting is not None else None
    if isinstance(prompt, nodes.TextNode) and not {*SIDES} <= {
        v.name for v in outline(prompt.value).variables
    }:
        message = f"the prompt of {scope.owner} does not show both answers"
        scope.report("RMG320", message, prompt.span, help="put in `{{ a }}` and `{{ b }}`")


def _check_orders(found: Settings, scope: Scope) -> None:
    """What makes one decision of two orders has nothing to do where only one is asked."""
    decide = _comparison_setting(found, "decide", "first_only")
    if not _comparison_setting(found, "swap", True) and decide != "first_only":
        help = "leave `decide` out, or ask in both orders"
        scope.report("RMG322", "`swap = False` asks in one order", found["decide"].span, help=help)


def _report_missing_ranking_keys(
    declared: nodes.RankingDecl, found: Settings, scope: Scope
) -> None:
    """A ranking without `by` wants the candidates and a question about them."""
    if not is_fully_read(declared.body, "ranking"):
        return
    missing = [key for key in ("among", "prompt") if key not in found]
    if len(missing) == 2:
        help = "add `by = reward`, or `among = …` and `prompt = …`"
        scope.report(
            "RMG212", f"{scope.owner} does not say how to rank", declared.name.span, help=help
        )
    elif missing:
        help = "`among` is the field that is ranked, `prompt` the question about all of them"
        scope.report(
            "RMG212", f"{scope.owner} needs `{missing[0]} = …`", declared.name.span, help=help
        )


def _check_no_candidate_shown(
    setting: nodes.SettingLine, among: Term, prompt: CheckedTemplate, scope: Scope
) -> None:
    """The prompt is one for all candidates: it cannot show one of them."""
    shown = {name for name, term in prompt.bindings if term == among}
    for variable in outline(prompt.text).variables:
        if variable.name in shown and isinstance(setting.value, nodes.TextNode):
            help = (
                f"leave `{{{{ {variable.name} }}}}` out: all candidates are listed below the prompt"
            )
            message = f"the prompt of {scope.owner} shows one candidate, and is a question about all of them"
            scope.report("RMG409", message, name_span(setting.value, variable), help=help)
