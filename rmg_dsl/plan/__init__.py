"""The work as a graph: steps, the planner that finds them, and the rules that order them."""

from rmg_dsl.plan.planner import Loops, bind, make_plan, prefixed, result_columns
from rmg_dsl.plan.rewrites import needed_by
from rmg_dsl.plan.steps import (
    Ask,
    CallPython,
    Calls,
    Compute,
    Plan,
    Rank,
    Refine,
    Step,
    Take,
    asked_by,
    detail_of,
)

__all__ = [
    "Ask",
    "CallPython",
    "Calls",
    "Compute",
    "Loops",
    "Plan",
    "Rank",
    "Refine",
    "Step",
    "Take",
    "asked_by",
    "bind",
    "detail_of",
    "make_plan",
    "needed_by",
    "prefixed",
    "result_columns",
]
