"""The public calls, which join the other packages: load, check, plan, grade.

Each name is loaded when it is first asked for, so that checking a spec does not wait for what only
a run needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmg_dsl.lazy import lazy_getattr

if TYPE_CHECKING:
    from rmg_dsl.api.grading import agrade, grade, run_job, run_stream
    from rmg_dsl.api.options import GradeOptions, Options, RawParam, ReadOptions
    from rmg_dsl.api.planning import PlanView, messages_of, plan_of, plan_view
    from rmg_dsl.api.preparing import GradingJob, prepare
    from rmg_dsl.api.results import Result, RunUsage, read
    from rmg_dsl.api.sources import read_source
    from rmg_dsl.api.suites import Suite, check, load, loads
    from rmg_dsl.api.validating import agreement

_HOMES = {
    "grading": "agrade grade run_job run_stream",
    "options": "GradeOptions Options RawParam ReadOptions",
    "planning": "PlanView messages_of plan_view plan_of",
    "preparing": "GradingJob prepare",
    "results": "RunUsage Result read",
    "sources": "read_source",
    "suites": "Suite check load loads",
    "validating": "agreement",
}

__all__ = [
    "GradeOptions",
    "GradingJob",
    "Options",
    "PlanView",
    "RawParam",
    "ReadOptions",
    "Result",
    "RunUsage",
    "Suite",
    "agrade",
    "agreement",
    "check",
    "grade",
    "load",
    "loads",
    "messages_of",
    "plan_of",
    "plan_view",
    "prepare",
    "read",
    "read_source",
    "run_job",
    "run_stream",
]


if not TYPE_CHECKING:  # so that a name which is none stays a mistake for a type checker
    __getattr__ = lazy_getattr(__name__, _HOMES)
