"""RMG: a small language for grading the outputs of language models.

    import rmg_dsl as rmg

    result = rmg.grade("support.rmg", df)
    result.df, result.summary, result.failures

Importing this package does not import openai, pandas or IPython; each is imported at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmg_dsl.lazy import lazy_getattr
from rmg_dsl.surfaces.accessor import register

if TYPE_CHECKING:
    from rmg_dsl.api import (
        GradeOptions,
        PlanView,
        ReadOptions,
        Result,
        Suite,
        agrade,
        agreement,
        check,
        grade,
        load,
        loads,
        read,
    )
    from rmg_dsl.diagnostics import Diagnostic
    from rmg_dsl.errors import CallError, DataError, ModelError, RmgError, SpecError, UsageError
    from rmg_dsl.messages import Model, Reply, Request, Usage
    from rmg_dsl.models import ScriptedModel
    from rmg_dsl.results import Score, Status
    from rmg_dsl.surfaces.shell import Shell

__version__ = "0.1.0"

_HOMES = {
    "api": (
        "GradeOptions PlanView ReadOptions Result Suite"
        " agrade agreement check grade load loads read"
    ),
    "diagnostics": "Diagnostic",
    "errors": "CallError DataError ModelError RmgError SpecError UsageError",
    "messages": "Model Reply Request Usage",
    "models": "ScriptedModel",
    "results": "Score Status",
}

__all__ = [
    "CallError",
    "DataError",
    "Diagnostic",
    "GradeOptions",
    "Model",
    "ModelError",
    "PlanView",
    "ReadOptions",
    "Reply",
    "Request",
    "Result",
    "RmgError",
    "Score",
    "ScriptedModel",
    "SpecError",
    "Status",
    "Suite",
    "Usage",
    "UsageError",
    "__version__",
    "agrade",
    "agreement",
    "check",
    "grade",
    "load",
    "loads",
    "read",
]


# Hidden from type checkers: with a `__getattr__` every misspelled name would be allowed.
if not TYPE_CHECKING:
    __getattr__ = lazy_getattr(__name__, _HOMES)


def load_ipython_extension(shell: Shell) -> None:
    """Add the magics `%%grade`, `%grade`, `%%rmg`, `%rmg_help` and the completion.

    `%load_ext rmg_dsl` calls it.
    """
    from rmg_dsl.surfaces.extension import load_extension

    load_extension(shell)


def unload_ipython_extension(shell: Shell) -> None:
    """Remove the magics and the completion: `%unload_ext rmg_dsl`."""
    from rmg_dsl.surfaces.extension import unload_extension

    unload_extension(shell)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


register()
