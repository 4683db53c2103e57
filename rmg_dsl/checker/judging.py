"""Check how a grader asks: `samples`, `pool`, `logprobs`, `escalate`, `generator`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from rmg_dsl.checker.expressions import ExpressionChecker
from rmg_dsl.checker.model_families import is_same_family
from rmg_dsl.checker.models import ModelTable
from rmg_dsl.checker.scope import Scope, TypedTerm
from rmg_dsl.ir import expr
from rmg_dsl.ir.expr import OwnScore
from rmg_dsl.ir.scoring import Escalation, JudgeScoring, ModelUse, PairwiseScoring, PoolMethod
from rmg_dsl.ir.types import ANY, Type, number_type, type_of_scale
from rmg_dsl.scales import Scale
from rmg_dsl.syntax import nodes

MAX_LOGPROB_VERDICTS = 20  # endpoints tell the chances of so many words and no more
_POOLS: Mapping[str, PoolMethod] = {
    "mean": "mean",
    "majority": "majority",
    "median": "median",
    "worst": "worst",
}


@dataclass(frozen=True, slots=True)
class JudgingChecker:
    """Reads the keys of a grader that say how often and whom to ask; reports what cannot go
    together, unpaid.
    """

    models: ModelTable
    expressions: ExpressionChecker

    def apply_settings(
        self, scoring: JudgeScoring, settings: Mapping[str, nodes.SettingLine], scope: Scope
    ) -> JudgeScoring:
        """Apply the keys to a grader; what they leave out stays as it is."""
        scoring = replace(
            scoring,
            samples=_samples(settings.get("samples"), scoring),
            pool=_pool(settings.get("pool"), scoring),
            logprobs=_logprobs(settings.get("logprobs"), scoring),
            generator=_generator(settings.get("generator"), scoring),
        )
        if "escalate" in settings:
            scoring = replace(
                scoring, escalation=self._escalation(settings["escalate"], scoring, scope)
            )
        _check_escalation_condition(scoring, settings, scope)
        _check_logprobs(scoring, settings.get("logprobs") or settings.get("pool"), scope)
        check_samples(scoring, settings.get("samples"), scope)
        _check_pool(scoring, settings.get("pool"), scope)
        check_generator(scoring, settings.get("generator") or settings.get("model"), scope)
        return scoring

    def _escalation(
        self, setting: nodes.SettingLine, scoring: JudgeScoring, scope: Scope
    ) -> Escalation | None:
        members = self.models.resolve_setting(setting, scope)
        # The missing condition is reported with the keys of the block.
        if setting.when is None:
            return None
        _check_repeated_models(members, setting, scoring, scope)
        kind = pooled_type(scoring)
        words = {
            "score": TypedTerm(OwnScore(), kind),
            "spread": TypedTerm(
                OwnScore("spread"), number_type(0, kind.high - kind.low) if kind.is_bounded else ANY
            ),
            "confidence": TypedTerm(OwnScore("confidence"), number_type(0, 1, 1)),
        }
        condition = self.expressions.check_condition(
            setting.when, replace(scope, local_names=words)
        ).term
        if any(True for _ in expr.scorings_in(condition)):
            help = "it sees `score`, `spread` and `confidence` of this grader, fields and params"
            scope.report(
                "RMG322", "`escalate` cannot wait for another score", setting.when.span, help=help
            )
        return Escalation(members, condition)


def pooled_type(scoring: JudgeScoring) -> Type:
    """The type of the score that all draws make: a mean of whole numbers or bools is any number
    between.
    """
    if scoring.pool != "mean" or not scoring.has_ballot:
        return type_of_scale(scoring.scale)
    return type_of_scale(scoring.scale.mean_scale)


def default_pool(scale: Scale) -> PoolMethod:
    """What is done with several draws where nobody says: the mean of numbers, the majority of all
    else.
    """
    return "mean" if type_of_scale(scale).kind == "number" else "majority"


# ── the values ────────────────────────────────────────────────────────────────────────────────────


def _samples(setting: nodes.SettingLine | None, scoring: JudgeScoring) -> int:
    value = setting.value.value if setting and isinstance(setting.value, nodes.NumberNode) else None
    return value if isinstance(value, int) and value >= 1 else scoring.samples


def _pool(setting: nodes.SettingLine | None, scoring: JudgeScoring) -> PoolMethod:
    word = setting.value.id if setting and isinstance(setting.value, nodes.NameNode) else ""
    return _POOLS.get(word, scoring.pool)


def _logprobs(setting: nodes.SettingLine | None, scoring: JudgeScoring) -> bool:
    return (
        setting.value.value
        if setting and isinstance(setting.value, nodes.TruthNode)
        else scoring.logprobs
    )


def _generator(setting: nodes.SettingLine | None, scoring: JudgeScoring) -> str:
    return (
        setting.value.value
        if setting and isinstance(setting.value, nodes.TextNode)
        else scoring.generator
    )


# ── conflicts ───────────────────────────────────────────────────────────────────────


def _check_repeated_models(
    members: Iterable[ModelUse], setting: nodes.SettingLine, scoring: JudgeScoring, scope: Scope
) -> None:
    """Report an escalation to a model that was asked already: it would give the same verdict."""
    first_panel = (
        {(use.name, use.settings) for use in scoring.panel if use.name}
        if scoring.samples == 1
        else set()
    )
    again = next((use for use in members if (use.name, use.settings) in first_panel), None)
    if again is not None:
        message = f"`{again.label}` has been asked already, and would say the same again"
        scope.report("RMG327", message, setting.span, help="escalate to a model that knows more")


def _check_escalation_condition(
    scoring: JudgeScoring, settings: Mapping[str, nodes.SettingLine], scope: Scope
) -> None:
    """Report a condition on a spread or a confidence that these draws do not have."""
    setting = next(
        (settings[key] for key in ("escalate", "samples", "model", "logprobs") if key in settings),
        None,
    )
    if scoring.escalation is None or setting is None or scope.default_model_file.has_broken:
        return
    words = {
        term.attribute
        for term in expr.walk_terms(scoring.escalation.condition)
        if isinstance(term, OwnScore)
    }
    span = setting.when.span if setting.when else setting.span
    several = len(scoring.panel) * scoring.samples > 1
    if "spread" in words and not several:
        help = "give `samples = 3`, ask a panel, or escalate by `score`"
        scope.report("RMG322", "one draw has no spread", span, help=help)
    elif "spread" in words and not scoring.scale.has_order:
        help = "escalate by `confidence`, the share of the verdict"
        scope.report("RMG322", "labels without values have no spread", span, help=help)
    elif "confidence" in words and not several and not scoring.logprobs:
        help = "give `samples = 3` or `logprobs = True`, ask a panel, or escalate by `score`"
        scope.report("RMG322", "one draw has no confidence", span, help=help)


def _check_logprobs(scoring: JudgeScoring, setting: nodes.SettingLine | None, scope: Scope) -> None:
    """Each verdict is one of the likeliest words that an endpoint tells the chances of, so there
    are few of them.
    """
    # Report at the key that the author wrote; without one there is nothing to change.
    if setting is None or not scoring.logprobs:
        return
    scale = scoring.scale
    count = scale.level_count
    if count is None:
        help = "ask on whole numbers, `-> 1..5`: with probabilities the score is any number between"
        scope.report(
            "RMG330", f"the verdicts on {scale} cannot be counted", setting.span, help=help
        )
    elif count > MAX_LOGPROB_VERDICTS:
        help = f"offer {MAX_LOGPROB_VERDICTS} at most, such as `-> 1..5`"
        scope.report(
            "RMG330",
            f"{scale} offers {count} verdicts, too many for probabilities",
            setting.span,
            help=help,
        )
    elif scoring.pool in ("median", "worst"):
        help = (
            "write `pool = mean` for their expectation, `pool = majority` for the likeliest verdict"
        )
        scope.report(
            "RMG330", f"probabilities are not pooled by `{scoring.pool}`", setting.span, help=help
        )


def check_samples(
    scoring: JudgeScoring | PairwiseScoring, setting: nodes.SettingLine | None, scope: Scope
) -> None:
    """Report several draws that must be equal: they cost several times and say no more."""
    if setting is None or scoring.samples == 1:
        return
    if scoring.logprobs:
        help = "leave `samples` out: the probabilities say what several draws would"
        scope.report("RMG327", "probabilities are the same in every draw", setting.span, help=help)
    elif any(_has_zero_temperature(use, scope) for use in scoring.panel):
        help = "leave `temperature` out of the model: several draws are then made at 1"
        scope.report(
            "RMG327",
            "several draws at temperature 0 are one draw paid several times",
            setting.span,
            help=help,
        )


def _has_zero_temperature(use: ModelUse, scope: Scope) -> bool:
    # Of an imported model the author of this file knows little, and `temperature` may be there for
    # its other graders.
    own = isinstance(scope.file.declarations.get(use.label), nodes.ModelDecl)
    return own and dict(use.settings).get("temperature") == 0


def _check_pool(scoring: JudgeScoring, setting: nodes.SettingLine | None, scope: Scope) -> None:
    if setting is None or not isinstance(setting.value, nodes.NameNode):
        return
    problem = scoring.scale.pool_problem(setting.value.id)
    if problem is not None:
        message, help = problem
        scope.report("RMG322", message, setting.value.span, help=help)


def check_generator(
    scoring: JudgeScoring | PairwiseScoring, setting: nodes.SettingLine | None, scope: Scope
) -> None:
    """Report a judge of the same model family as the answers."""
    own = next(
        (use for use in scoring.models if use.name and is_same_family(use.name, scoring.generator)),
        None,
    )
    if setting is not None and own is not None:
        help = "judges favour their own family; ask a judge of another one"
        message = f"{own.name} would judge answers of its own family, {scoring.generator}"
        scope.report("RMG328", message, setting.span, help=help)
