"""Notes about the judges of a run: panels, and judges of the family whose answers they grade."""

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


def panel_notes(plan: Plan, run_models: Mapping[ModelUse, RunModel]) -> Iterator[str]:
    """Yield a note for each panel, with its model families, and a warning for each biased judge."""
    panels: dict[tuple[str, ...], list[str]] = {}
    for step in plan.model_steps:
        scoring = _judge_scoring(step)
        if scoring is None:
            continue
        judges = tuple(run_models[use].model.name for use in scoring.panel)
        if len(judges) > 1:
            panels.setdefault(judges, []).append(_step_label(step))
        yield from _same_family_warnings(scoring, _step_label(step), run_models)
    for judges, graders in panels.items():
        yield f"{', '.join(graders)}: judged by a panel of {_panel_text(judges)}"


def _judge_scoring(step: AskStep | RankStep | RefineStep) -> JudgeScoring | PairwiseScoring | None:
    """The scoring that names judges; None for a step that writes or ranks all in one question."""
    match step:
        case (
            AskStep(scoring=scoring)
            | RankStep(scoring=RankingScoring(method=PairwiseRanking(comparison=scoring)))
        ):
            return scoring
        case _:
            return None


def _step_label(step: AskStep | RankStep | RefineStep) -> str:
    if step.names:
        return f"`{step.names[0]}`"
    return "a part of another score"


def _panel_text(judges: Sequence[str]) -> str:
    families = [family_of(judge) for judge in judges]
    labels: list[str] = []
    for judge, family in zip(judges, families, strict=True):
        labels.append(f"{judge} ({family})" if family else judge)
    text = ", ".join(labels)
    # An unknown family is empty, and two unknown ones may differ.
    if len(set(families)) == 1 and families[0] != "":
        text += "; all of one family, which may err alike"
    return text


def _same_family_warnings(
    scoring: JudgeScoring | PairwiseScoring, name: str, run_models: Mapping[ModelUse, RunModel]
) -> Iterator[str]:
    """Warn of a judge that replaces a declared one; `rmg check` warns of the declared ones."""
    generator = scoring.generator
    for use in scoring.models:
        judge = run_models[use].model.name
        if judge != use.name and generator and is_same_family(judge, generator):
            yield f"warning[RMG328]: {name}: {judge} judges answers of its own family, {generator}"
