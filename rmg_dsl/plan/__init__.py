"""The plan of a run: its steps, the planner that selects them, the rewrites that order them."""

from rmg_dsl.plan.planner import (
    LoopMode,
    check_columns,
    make_plan,
    result_columns,
    with_column_prefix,
)
from rmg_dsl.plan.rewrites import needed_by
from rmg_dsl.plan.steps import (
    AskStep,
    CallPythonStep,
    CallRange,
    ComputeStep,
    LoopOutputStep,
    Plan,
    RankStep,
    RefineStep,
    Step,
    detail_of,
    models_text,
)

__all__ = [
    "AskStep",
    "CallPythonStep",
    "CallRange",
    "ComputeStep",
    "LoopMode",
    "LoopOutputStep",
    "Plan",
    "RankStep",
    "RefineStep",
    "Step",
    "check_columns",
    "detail_of",
    "make_plan",
    "models_text",
    "needed_by",
    "result_columns",
    "with_column_prefix",
]
