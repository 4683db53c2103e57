"""One row on its way: what is known of it, what it waits for, and the one place where whatever goes wrong is caught."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

from rmg_dsl.errors import CallError
from rmg_dsl.messages import Question
from rmg_dsl.results import Outcome, Status, Unscored

Row: TypeAlias = Mapping[Any, Any]


class Waiting(Exception):
    """A question of this row has no answer yet."""


class NoScore(Exception):
    """There is no value, and this is why; `step` is the one that has none, where it is a step's and not a column's."""

    def __init__(self, unscored: Unscored, step: int | None = None) -> None:
        super().__init__(unscored.message)
        self.unscored = unscored
        self.step = step


@dataclass(slots=True)
class RowState:
    """What is known of one row: outcomes by step, and the questions that are out."""

    index: int
    row: Row
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    asked: dict[int, Question] = field(default_factory=dict)
    done: bool = False


@contextmanager
def caught(record: Callable[[Unscored], None]) -> Iterator[None]:
    """The one blanket handler: whatever goes wrong in a step of a row becomes that step's outcome, trace and all."""
    try:
        yield
    except NoScore as error:
        record(error.unscored)
    except CallError as error:
        status = Status.REFUSED if error.refused else Status.ERROR
        code = f"HTTP {error.status_code}: " if error.status_code else ""
        record(Unscored(status, f"{code}{error}", error.attempts))
    except Waiting:
        raise
    except (Exception, SystemExit) as error:  # a failing row never takes the others with it
        message = f"{type(error).__name__}: {error}".strip().rstrip(":")
        record(Unscored(Status.ERROR, message[:500], trace=traceback.format_exc()))


def fail(status: Status, message: str) -> NoReturn:
    """There is no value on this row, and this is why."""
    raise NoScore(Unscored(status, message))
