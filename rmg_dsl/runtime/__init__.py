"""The run: rows through a plan. Async in one place, with one bridge to ordinary code."""

from rmg_dsl.runtime.bill import Bill, Quote
from rmg_dsl.runtime.bridge import bridge
from rmg_dsl.runtime.estimate import estimate
from rmg_dsl.runtime.evaluate import Evaluator
from rmg_dsl.runtime.executor import INTERRUPTED, Crew, RowResult, Run, Spending, Tally, output_of
from rmg_dsl.runtime.gates import Gates, Verdict
from rmg_dsl.runtime.validations import Compared, Validations

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
