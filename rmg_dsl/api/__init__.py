"""The public calls, where the rooms are joined: load, check, plan, grade.

Each name is loaded when it is first asked for, so that checking a spec does not wait for what only a run needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rmg_dsl.api.grading import agrade, grade, run_job
    from rmg_dsl.api.options import Options, Written
    from rmg_dsl.api.planning import PlanView, messages_of, plan, plan_of
    from rmg_dsl.api.preparing import Job, prepare
    from rmg_dsl.api.results import Bill, Result, read
    from rmg_dsl.api.suites import Suite, check, load, loads, read_source

_HOMES = {
    "grading": "agrade grade run_job",
    "options": "Options Written",
    "planning": "PlanView messages_of plan plan_of",
    "preparing": "Job prepare",
    "results": "Bill Result read",
    "suites": "Suite check load loads read_source",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "Bill",
    "Job",
    "Options",
    "PlanView",
    "Result",
    "Suite",
    "Written",
    "agrade",
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
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = found
    return found
