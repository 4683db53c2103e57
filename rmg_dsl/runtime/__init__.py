"""The run: rows through a plan. The executor is async; one bridge connects it to ordinary code."""

from rmg_dsl.runtime.cost_estimate import CostEstimate, ModelQuote
from rmg_dsl.runtime.evaluate import Evaluator
from rmg_dsl.runtime.executor import (
    INTERRUPTED,
    BudgetCheck,
    RowResult,
    Run,
    RunModel,
    Tally,
    output_of,
)
from rmg_dsl.runtime.expected_calls import estimate
from rmg_dsl.runtime.requirements import (
    RequirementChecker,
    RequirementFailure,
    RequirementResult,
)
from rmg_dsl.runtime.sync_bridge import Bridge, bridge, bridge_for_caller
from rmg_dsl.runtime.user_functions import FunctionRunner, call_on_loop
from rmg_dsl.runtime.validation import ValidationCollector, ValidationColumns

__all__ = [
    "INTERRUPTED",
    "Bridge",
    "BudgetCheck",
    "CostEstimate",
    "Evaluator",
    "FunctionRunner",
    "ModelQuote",
    "RequirementChecker",
    "RequirementFailure",
    "RequirementResult",
    "RowResult",
    "Run",
    "RunModel",
    "Tally",
    "ValidationCollector",
    "ValidationColumns",
    "bridge",
    "bridge_for_caller",
    "call_on_loop",
    "estimate",
    "output_of",
]
