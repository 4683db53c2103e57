"""The run: rows through a plan. Async in one place, with one bridge to ordinary code."""

from rmg_dsl.runtime.cost_estimate import Bill, Quote
from rmg_dsl.runtime.evaluate import Evaluator
from rmg_dsl.runtime.executor import INTERRUPTED, Crew, RowResult, Run, Spending, Tally, output_of
from rmg_dsl.runtime.expected_calls import estimate
from rmg_dsl.runtime.requirements import Gates, Verdict
from rmg_dsl.runtime.sync_bridge import bridge
from rmg_dsl.runtime.validation import Compared, Validations

__all__ = [
    "INTERRUPTED",
    "Bill",
    "Compared",
    "Crew",
    "Evaluator",
    "Gates",
    "Quote",
    "RowResult",
    "Run",
    "Spending",
    "Tally",
    "Validations",
    "Verdict",
    "bridge",
    "estimate",
    "output_of",
]
