"""The public calls, where the rooms are joined: load, check, plan, grade."""

from rmg_dsl.api.grading import PlanView, agrade, grade, plan, prepare, run_job
from rmg_dsl.api.options import Options
from rmg_dsl.api.results import Bill, Result, read
from rmg_dsl.api.suites import Suite, check, load, loads

__all__ = [
    "Bill",
    "Options",
    "PlanView",
    "Result",
    "Suite",
    "agrade",
    "check",
    "grade",
    "load",
    "loads",
    "plan",
    "prepare",
    "read",
    "run_job",
]
