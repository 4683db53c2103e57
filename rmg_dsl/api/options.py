"""The keyword arguments that `grade`, `score`, `plan` and the command line share."""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from rmg_dsl.errors import UsageError
from rmg_dsl.messages import Model

ModelChoice = str | Model
ParamValue = float | int | bool | str


class RawParam(str):
    """A param's value as it was typed on a command line: read by the type of the param's default."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller may say about a run. Precedence: this, then the spec, then the environment, then the default.

    >>> Options.of({"limit": 10}).limit
    10

    `model` replaces the default model, by name or by an object with the method of a model; a dict replaces declared
    models by their names. `params` override the spec's params, `functions` are Python functions that it may call,
    `allow_python` names modules whose functions `python("module:function")` may import. `concurrency` is how many
    calls each model may have in flight. `limit` and `sample` (drawn by `seed`) take fewer rows, `only` fewer graders.
    `cache` keeps every reply and asks nothing twice; False does without it, "refresh" asks anew and keeps that.
    `budget` is the most to spend, in USD, where the models have a `price`: what is not reached is `over_budget`.
    `prefix` goes before the name of every new column. `on_row` is called with each finished row, in order. `log` is a
    file that gets every request and reply, one JSON object a line. `progress` shows or hides the line on a terminal.
    """

    model: ModelChoice | Mapping[str, ModelChoice] | None = None
    params: Mapping[str, ParamValue] = field(default_factory=dict)
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    concurrency: int | None = None
    budget: float | None = None
    cache: bool | str = True
    limit: int | None = None
    sample: int | None = None
    seed: int = 0
    only: Sequence[str] = ()
    prefix: str = ""
    progress: bool | None = None
    log: str | os.PathLike[str] | None = None
    allow_python: Sequence[str] = ()
    on_row: Callable[[Mapping[str, Any]], object] | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """The options of a call. Raises UsageError for a name that is none, and for a value that makes no sense."""
        known = [each.name for each in fields(cls)]
        for name in given:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                advice = f"did you mean `{close[0]}`?" if close else f"there are {', '.join(known)}"
                raise UsageError(f"there is no option `{name}`: {advice}")
        return cls(**given)

    def __post_init__(self) -> None:
        for name in ("concurrency", "limit", "sample"):
            _check_count(name, getattr(self, name), least=1 if name == "concurrency" else 0)
        if any(isinstance(names, str) for names in (self.only, self.allow_python)):
            raise UsageError(
                '`only` and `allow_python` are lists of names, such as only=["relevance"]'
            )
        if self.cache not in (True, False, "refresh"):
            raise UsageError(f'`cache` is True, False or "refresh", not {self.cache!r}')
        if self.budget is not None and not self.budget > 0:
            raise UsageError(f"`budget` is an amount in USD above 0, not {self.budget!r}")
        _check_kind("seed", self.seed, int, "a whole number")
        _check_kind("prefix", self.prefix, str, "a text")
        _check_kind("params", self.params, Mapping, "a dict of values by name")
        _check_kind("functions", self.functions, Mapping, "a dict of Python functions by name")
        for name, function in self.functions.items():
            _check_function(name, function)
        _check_model(self.model)


def _check_count(name: str, value: object, least: int) -> None:
    if value is not None and not (type(value) is int and value >= least):
        raise UsageError(f"`{name}` is a whole number from {least}, not {value!r}")


def _check_kind(name: str, value: object, kind: type, words: str) -> None:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UsageError(f"`{name}` is {words}, not {value!r}")


def _check_function(name: str, function: object) -> None:
    if not callable(function):
        raise UsageError(f"functions: `{name}` is {type(function).__name__}, not a function")
    if inspect.iscoroutinefunction(function):
        raise UsageError(f"functions: `{name}` is async; a spec calls ordinary functions only")


def _check_model(model: object) -> None:
    choices = model.values() if isinstance(model, Mapping) else () if model is None else (model,)
    for choice in choices:
        if not isinstance(choice, str) and not hasattr(choice, "complete"):
            words = (
                '"provider/name", an object with `complete`, or a dict of these by declared name'
            )
            raise UsageError(f"`model` is {words}, not {type(choice).__name__}")
