"""RMG: a small language for grading what models write.

    import rmg_dsl as rmg

    result = rmg.grade("support.rmg", df)
    result.df, result.summary, result.failures

Importing this loads neither openai nor pandas nor IPython; each comes in when it is first needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmg_dsl.lazy import lazy_getattr
from rmg_dsl.surfaces.accessor import register

if TYPE_CHECKING:
    from rmg_dsl.api import (
        PlanView,
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
    from rmg_dsl.errors import DataError, ModelError, RmgError, SpecError, UsageError
    from rmg_dsl.models import ScriptedModel

__version__ = "0.1.0"

_HOMES = {
    "api": "PlanView Result Suite agrade agreement check grade load loads read",
    "diagnostics": "Diagnostic",
    "errors": "DataError ModelError RmgError SpecError UsageError",
    "models": "ScriptedModel",
}

__all__ = [
    "DataError",
    "Diagnostic",
    "ModelError",
    "PlanView",
    "Result",
    "RmgError",
    "ScriptedModel",
    "SpecError",
    "Suite",
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


if not TYPE_CHECKING:  # so that a name which is none stays a mistake for a type checker
    __getattr__ = lazy_getattr(__name__, _HOMES)


def load_ipython_extension(shell: object) -> None:
    """`%load_ext rmg_dsl` gives a notebook `%%grade`, `%grade`, `%%rmg` and `%rmg_help`, with completion in cells."""
    from rmg_dsl.surfaces.extension import load_extension

    load_extension(shell)


def unload_ipython_extension(shell: object) -> None:
    """`%unload_ext rmg_dsl` takes them away again."""
    from rmg_dsl.surfaces.extension import unload_extension

    unload_extension(shell)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


register()
