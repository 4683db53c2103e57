"""Check `pairwise`, which compares two fields, and `ranking`, which orders the rows of a group."""

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
    """Checks comparisons. `find_grader_reference` returns the grader that an expression names
    alone, if any.
    """

    state: CheckState
    models: ModelTable
    expressions: ExpressionChecker
    find_grader_reference: FindGraderReference

    # ── two fields ──

    def check_pairwise(self, declared: nodes.PairwiseDecl, scope: Scope) -> PairwiseScoring | None:
        """Resolve a comparison of two fields; None if the fields or the prompt are missing or
        wrong.
        """
        settings = _check_plain_settings(declared.body, "pairwise", scope)
        sides = self._check_sides(settings.get("compare"), scope)
        side_names = dict(zip(SIDES, sides or (UNKNOWN, UNKNOWN), strict=True))
        texts = self._check_templates(settings, replace(scope, local_names=side_names))
        _check_both_shown(settings.get("prompt"), scope)
        _check_orders(settings, scope)
        panel = self._panel_members(settings, scope)
        if sides is None or "prompt" not in texts:
            return None
        names = merge_templates(texts)
        compared = PairwiseScoring(
            texts["prompt"].text,
            _system_text(texts),
            (sides[0].term, sides[1].term),
            tuple((name, term) for name, term in names.bindings if name not in SIDES),
            tuple((name, value) for name, value in names.constants if name not in SIDES),
            tuple(name for name in names.needs if name not in SIDES),
            panel,
            swap=bool(_comparison_setting(settings, "swap", True)),
            decide=cast(DecisionRule, _comparison_setting(settings, "decide", "agree")),
            samples=int(_comparison_setting(settings, "samples", 1)),
            logprobs=bool(_comparison_setting(settings, "logprobs", False)),
            generator=str(_comparison_setting(settings, "generator", "")),
        )
        check_samples(compared, settings.get("samples"), scope)
        check_generator(compared, settings.get("generator"), scope)
        return compared

    def _check_sides(
        self, setting: nodes.SettingLine | None, scope: Scope
    ) -> tuple[TypedTerm, TypedTerm] | None:
        """The values of `{{ a }}` and `{{ b }}`."""
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
        """Check a value that the judge sees. It must not be a score."""
        typed = self.expressions.check(node, scope)
        if any(True for _ in expr.scorings_in(typed.term)):
            text = scope.source_text(node)
            help = (
                "a judge is never shown scores; `by = …` of a ranking, or an aggregate, "
                "puts them together"
            )
            scope.report(
                "RMG405",
                f"`{text}` is a score, and {scope.owner} shows fields",
                node.span,
                help=help,
            )
        return typed

    def _check_templates(self, settings: Settings, scope: Scope) -> dict[str, CheckedTemplate]:
        texts: dict[str, CheckedTemplate] = {}
        for key in ("prompt", "system"):
            value = settings[key].value if key in settings else None
            if isinstance(value, nodes.TextNode):
                texts[key] = check_template(value, self.expressions, scope, f"the {key}")
            elif value is not None:
                report_unquoted_text(settings[key], scope)
        return texts

    def _panel_members(self, settings: Settings, scope: Scope) -> tuple[ModelUse, ...]:
        if "model" in settings:
            return self.models.resolve_setting(settings["model"], scope)
        return self.models.default_model(scope)

    # ── the rows of a group ──

    def check_ranking(
        self, declared: nodes.RankingDecl, scope: Scope
    ) -> tuple[RankingScoring, Type] | None:
        """Resolve the ranking of a group or of a list;
        None if its criterion is missing or wrong.
        """
        settings = _check_plain_settings(declared.body, "ranking", scope)
        group = among = None
        if "group" in settings:
            group = self._check_group(settings["group"].value, scope)
        if "among" in settings:
            among = self._check_field(settings["among"].value, scope).term
        way: ScoreRanking | PairwiseRanking | ListwiseRanking | None
        if "by" in settings:
            way = self._check_by_key(settings, among, scope)
        else:
            way = self._check_by_judge(declared, settings, among, scope)
        if way is None:
            return None
        # Without either there would be one group of all rows, which nobody means.
        if group is None and among is None and is_fully_read(declared.body, "ranking"):
            help = "add `group = query`: the rows of the same value are ranked among themselves"
            scope.report(
                "RMG212", f"{scope.owner} needs `group = …`", declared.name.span, help=help
            )
        return RankingScoring(group, way), LIST if group is None else SHARE

    def _check_group(self, node: nodes.Expr, scope: Scope) -> Term:
        """The value that the rows of a group share.

        It must be known before the run, so it is no score.
        """
        typed = self.expressions.check(node, scope)
        if any(True for _ in expr.scorings_in(typed.term)):
            help = "group by a column, or by an expression over columns in a `fields:` line"
            scope.report(
                "RMG218",
                f"`{scope.source_text(node)}` is a score, and rows are grouped by fields",
                node.span,
                help=help,
            )
        return typed.term

    def _check_by_key(
        self, settings: Settings, among: Term | None, scope: Scope
    ) -> ScoreRanking | PairwiseRanking | None:
        setting = settings["by"]
        named = self.find_grader_reference(setting.value, scope)
        # It names a grader with a mistake, which is reported there.
        if named is not None and named[0] is None:
            return None
        scoring = self.state.scoring(named[0].scoring) if named and named[0] else None
        excluded = ["prompt", "system", "model"]
        if not isinstance(scoring, PairwiseScoring):
            excluded.append("among")
        for key in excluded:
            if key in settings:
                message = f"{scope.owner} ranks by a judge or by a score, not by both"
                help = "keep `by`, or `among` and `prompt`"
                scope.report("RMG115", message, settings[key].key.span, help=help)
        if isinstance(scoring, PairwiseScoring):
            if among is None:
                among = scoring.sides[0]
            return PairwiseRanking(among, scoring)
        return self._check_by_score(setting.value, scope)

    def _check_by_score(self, value: nodes.Expr, scope: Scope) -> ScoreRanking | None:
        if not self.expressions.check_score_name(value, scope, f"`by` of {scope.owner}"):
            return None
        kind = self.expressions.check(value, scope)
        if not kind.type.is_numeric:
            help = ""
            if kind.type.kind == "label":
                help = 'give the labels values: `("bad"=0 | "good"=1)`'
            self.expressions.report_wrong_type(
                "RMG302", value, kind.type, "rows are ranked by a number", scope, help
            )
            return None
        return ScoreRanking(kind.term, kind.type.direction < 0)

    def _check_by_judge(
        self, declared: nodes.RankingDecl, settings: Settings, among: Term | None, scope: Scope
    ) -> ListwiseRanking | None:
        texts = self._check_templates(settings, scope)
        if among is None or "prompt" not in texts:
            _report_missing_ranking_keys(declared, settings, scope)
            return None
        _check_no_candidate_shown(settings["prompt"], among, texts["prompt"], scope)
        names = merge_templates(texts)
        judges = self._panel_members(settings, scope)
        if len(judges) > 1:
            help = "name one of its members, or rank by a grader of the panel: `by = …`"
            span = settings["model"].span if "model" in settings else declared.name.span
            scope.report("RMG322", f"{scope.owner} asks one judge, not a panel", span, help=help)
        return ListwiseRanking(
            among,
            texts["prompt"].text,
            _system_text(texts),
            names.bindings,
            names.constants,
            names.needs,
            judges[0],
        )


# ── single keys ───────────────────────────────────────────────────────────────────────────────────


def _check_plain_settings(
    block: nodes.Block, kind: str, scope: Scope
) -> dict[str, nodes.SettingLine]:
    settings = check_settings(block, kind, scope)
    for key, setting in settings.items():
        check_plain_value(setting, keys_of(kind)[key], scope)
    return settings


def _system_text(templates: Mapping[str, CheckedTemplate]) -> str:
    if "system" not in templates:
        return ""
    return templates["system"].text


def _comparison_setting(
    settings: Settings, key: str, default: float | int | bool | str
) -> float | int | bool | str:
    """The value of a key; the default if it is absent or wrong, which has been reported."""
    if key not in settings:
        return default
    match settings[key].value:
        case nodes.NameNode(word) if word in keys_of("pairwise")[key].words:
            return word
        case nodes.NumberNode(value) | nodes.TruthNode(value) | nodes.TextNode(value):
            if isinstance(value, type(default)):
                return value
    return default


def _check_both_shown(setting: nodes.SettingLine | None, scope: Scope) -> None:
    if setting is None or not isinstance(setting.value, nodes.TextNode):
        return
    prompt = setting.value
    shown = {variable.name for variable in outline(prompt.value).variables}
    if not shown.issuperset(SIDES):
        message = f"the prompt of {scope.owner} does not show both answers"
        scope.report("RMG320", message, prompt.span, help="put in `{{ a }}` and `{{ b }}`")


def _check_orders(settings: Settings, scope: Scope) -> None:
    """Report `decide` beside `swap = False`: it combines two orders, and there is only one."""
    decide = _comparison_setting(settings, "decide", "first_only")
    if not _comparison_setting(settings, "swap", True) and decide != "first_only":
        help = "leave `decide` out, or ask in both orders"
        scope.report(
            "RMG322", "`swap = False` asks in one order", settings["decide"].span, help=help
        )


def _report_missing_ranking_keys(
    declared: nodes.RankingDecl, settings: Settings, scope: Scope
) -> None:
    """Report the keys that a ranking without `by` needs: the candidates and the prompt."""
    if not is_fully_read(declared.body, "ranking"):
        return
    missing = [key for key in ("among", "prompt") if key not in settings]
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
    """Report a prompt that shows one candidate: it is one question about all of them."""
    shown = {name for name, term in prompt.bindings if term == among}
    for variable in outline(prompt.text).variables:
        if variable.name in shown and isinstance(setting.value, nodes.TextNode):
            tag = f"`{{{{ {variable.name} }}}}`"
            help = f"leave {tag} out: all candidates are listed below the prompt"
            message = (
                f"the prompt of {scope.owner} shows one candidate, "
                "and is a question about all of them"
            )
            scope.report("RMG409", message, name_span(setting.value, variable), help=help)
