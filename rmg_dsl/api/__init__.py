"""The public calls, where the rooms are joined: load, check, plan, grade.

Each name is loaded when it is first asked for, so that checking a spec does not wait for what only a run needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmg_dsl.lazy import lazily

if TYPE_CHECKING:
    from rmg_dsl.api.grading import agrade, grade, run_job, run_stream
    from rmg_dsl.api.options import Options, Written
    from rmg_dsl.api.planning import PlanView, messages_of, plan, plan_of
    from rmg_dsl.api.preparing import Job, prepare
    from rmg_dsl.api.results import Bill, Result, read
    from rmg_dsl.api.sources import read_source
    from rmg_dsl.api.suites import Suite, check, load, loads
    from rmg_dsl.api.validating import agreement

_HOMES = {
    "grading": "agrade grade run_job run_stream",
    "options": "Options Written",
    "planning": "PlanView messages_of plan plan_of",
    "preparing": "Job prepare",
    "results": "Bill Result read",
    "sources": "read_source",
    "suites": "Suite check load loads",
    "validating": "agreement",
}

__all__ = [
    "Bill",
    "Job",
    "Options",
    "PlanView",
    "Result",
    "Suite",
    "Written",
    "agrade",
    "agreement",
    "check",
    "grade",
    "load",
    "loads",
    "messages_of",
    "plan",
    "plan_of",
    "prepare",
    "read",
    "read_source",
    "run_job",
    "run_stream",
]


if not TYPE_CHECKING:  # so that a name which is none stays a mistake for a type checker
    __getattr__ = lazily(__name__, _HOMES)
