"""What must stand beside scores that several judges gave, or a judge of the family whose answers it grades."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rmg_dsl.checker.model_families import family_of, is_same_family
from rmg_dsl.ir.scoring import (
    JudgeScoring,
    ModelUse,
    PairwiseRanking,
    PairwiseScoring,
    RankingScoring,
)
from rmg_dsl.plan import AskStep, Plan, RankStep, RefineStep
from rmg_dsl.runtime import RunModel


def panel_notes(plan: Plan, crews: Mapping[ModelUse, RunModel]) -> Iterator[str]:
    """A line for each panel, with the families that sit on it, and one for each judge of its own family."""
    panels: dict[tuple[str, ...], list[str]] = {}
    for step in plan.model_steps:
        if (scoring := _judge_scoring(step)) is None:
            continue
        judges = tuple(crews[use].model.name for use in scoring.panel)
        if len(judges) > 1:
            panels.setdefault(judges, []).append(_step_label(step))
        yield from _same_family_warnings(scoring, _step_label(step), crews)
    for judges, graders in panels.items():
        yield f"{', '.join(graders)}: judged by a panel of {_panel_text(judges)}"


def _judge_scoring(step: AskStep | RankStep | RefineStep) -> JudgeScoring | PairwiseScoring | None:
    """What says who is asked about whose answers; a writer and one question about all candidates say neither."""
    match step:
        case (
            AskStep(scoring=scoring)
            | RankStep(scoring=RankingScoring(method=PairwiseRanking(comparison=scoring)))
        ):
            return scoring
        case _:
            return None


def _step_label(step: AskStep | RankStep | RefineStep) -> str:
    return f"`{step.names[0]}`" if step.names else "a part of another score"


def _panel_text(judges: Sequence[str]) -> str:
    families = [family_of(judge) for judge in judges]
    shown = ", ".join(f"{j} ({f})" if f else j for j, f in zip(judges, families, strict=True))
    alone = len(set(families)) == 1 and families[0] != ""
    return shown + ("; all of one family, which may err alike" if alone else "")


def _same_family_warnings(
    scoring: JudgeScoring | PairwiseScoring, name: str, crews: Mapping[ModelUse, RunModel]
) -> Iterator[str]:
    """Of a judge that took the place of the declared one; of the declared one the check has said it."""
    generator = scoring.generator
    for use in scoring.models:
        asked = crews[use].model.name
        if asked != use.name and generator and is_same_family(asked, generator):
            yield f"warning[RMG328]: {name}: {asked} judges answers of its own family, {generator}"
