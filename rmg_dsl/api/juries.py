"""What must stand beside scores that several judges gave, or a judge of the family whose answers it grades."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rmg_dsl.plan import Ask, Plan
from rmg_dsl.runtime import Crew
from rmg_dsl.semantics.families import family_of, is_akin
from rmg_dsl.semantics.terms import ModelUse


def jury_notes(plan: Plan, crews: Mapping[ModelUse, Crew]) -> Iterator[str]:
    """A line for each panel, with the families that sit on it, and one for each judge of its own family."""
    panels: dict[tuple[str, ...], list[str]] = {}
    for step in plan.asks:
        judges = tuple(crews[use].model.name for use in step.scoring.jurors)
        if len(judges) > 1:
            panels.setdefault(judges, []).append(_name(step))
        yield from _akin(step, crews)
    for judges, graders in panels.items():
        yield f"{', '.join(graders)}: judged by a panel of {_panel(judges)}"


def _name(step: Ask) -> str:
    return f"`{step.names[0]}`" if step.names else "a part of another score"


def _panel(judges: Sequence[str]) -> str:
    families = [family_of(judge) for judge in judges]
    shown = ", ".join(f"{j} ({f})" if f else j for j, f in zip(judges, families, strict=True))
    alone = len(set(families)) == 1 and families[0] != ""
    return shown + ("; all of one family, which may err alike" if alone else "")


def _akin(step: Ask, crews: Mapping[ModelUse, Crew]) -> Iterator[str]:
    """Of a judge that took the place of the declared one; of the declared one the check has said it."""
    generator = step.scoring.generator
    for use in step.models:
        asked = crews[use].model.name
        if asked != use.name and generator and is_akin(asked, generator):
            yield f"warning[RMG328]: {_name(step)}: {asked} judges answers of its own family, {generator}"
