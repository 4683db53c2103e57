"""The keyword arguments that `grade`, `score`, `plan` and the command line share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rmg_dsl.errors import UsageError
from rmg_dsl.messages import Model

ModelChoice = str | Model
Literal = float | int | bool | str


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller may say about a run. Precedence: this, then the spec, then the environment, then the default.

    `model` replaces the default model, by name or by an object with the method of a model; a dict replaces declared
    models by their names. `params` override the spec's params, `functions` are Python functions that it may call,
    `allow_python` names modules whose functions `python("module:function")` may import. `limit` and `sample` take
    fewer rows, `only` fewer graders. `log` is a file that gets every request and reply, one JSON object a line.
    """

    model: ModelChoice | Mapping[str, ModelChoice] | None = None
    params: Mapping[str, Literal] = field(default_factory=dict)
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    concurrency: int | None = None
    limit: int | None = None
    sample: int | None = None
    seed: int = 0
    only: Sequence[str] = ()
    prefix: str = ""
    progress: bool | None = None
    log: str | None = None
    allow_python: Sequence[str] = ()
    on_row: Callable[[Mapping[str, Any]], object] | None = None

    def __post_init__(self) -> None:
        for name in ("concurrency", "limit", "sample"):
            _check_count(name, getattr(self, name), least=1 if name == "concurrency" else 0)
        if any(isinstance(names, str) for names in (self.only, self.allow_python)):
            raise UsageError("`only` and `allow_python` are lists of names")


def _check_count(name: str, value: object, least: int) -> None:
    if value is not None and not (type(value) is int and value >= least):
        raise UsageError(f"`{name}` is a whole number from {least}, not {value!r}")
