"""What must stand beside scores that several judges gave, or a judge of the family whose answers it grades."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rmg_dsl.checker.model_families import family_of, is_akin
from rmg_dsl.ir.scoring import ByPairs, Compared, Judged, ModelUse, Ranked
from rmg_dsl.plan import Ask, Plan, Rank, Refine
from rmg_dsl.runtime import Crew


def jury_notes(plan: Plan, crews: Mapping[ModelUse, Crew]) -> Iterator[str]:
    """A line for each panel, with the families that sit on it, and one for each judge of its own family."""
    panels: dict[tuple[str, ...], list[str]] = {}
    for step in plan.calling:
        if (scoring := _asked_by(step)) is None:
            continue
        judges = tuple(crews[use].model.name for use in scoring.jurors)
        if len(judges) > 1:
            panels.setdefault(judges, []).append(_name(step))
        yield from _akin(scoring, _name(step), crews)
    for judges, graders in panels.items():
        yield f"{', '.join(graders)}: judged by a panel of {_panel(judges)}"


def _asked_by(step: Ask | Rank | Refine) -> Judged | Compared | None:
    """What says who is asked about whose answers; a writer and one question about all candidates say neither."""
    match step:
        case Ask(scoring=scoring) | Rank(scoring=Ranked(way=ByPairs(compared=scoring))):
            return scoring
        case _:
            return None


def _name(step: Ask | Rank | Refine) -> str:
    return f"`{step.names[0]}`" if step.names else "a part of another score"


def _panel(judges: Sequence[str]) -> str:
    families = [family_of(judge) for judge in judges]
    shown = ", ".join(f"{j} ({f})" if f else j for j, f in zip(judges, families, strict=True))
    alone = len(set(families)) == 1 and families[0] != ""
    return shown + ("; all of one family, which may err alike" if alone else "")


def _akin(scoring: Judged | Compared, name: str, crews: Mapping[ModelUse, Crew]) -> Iterator[str]:
    """Of a judge that took the place of the declared one; of the declared one the check has said it."""
    generator = scoring.generator
    for use in scoring.models:
        asked = crews[use].model.name
        if asked != use.name and generator and is_akin(asked, generator):
            yield f"warning[RMG328]: {name}: {asked} judges answers of its own family, {generator}"
