"""The run: a pool of workers for each model answers the questions of the rows in sight; results come in order."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import TypeAlias

from rmg_dsl.errors import CallError
from rmg_dsl.ir.scoring import ModelUse
from rmg_dsl.judge import Enquiry, follow_up, read
from rmg_dsl.messages import Model, Recalling, Reply, Request, Usage
from rmg_dsl.models import Abandoned
from rmg_dsl.results import Outcome, Path, Score, Status, Unscored
from rmg_dsl.runtime.evaluate import Evaluator
from rmg_dsl.runtime.expected_calls import possible_steps
from rmg_dsl.runtime.rankings import Group, Groups
from rmg_dsl.runtime.row_state import Row, RowState, caught, paths_of

Place: TypeAlias = tuple[int, int, int, int, int]
Asking: TypeAlias = RowState | Group
Spending = Callable[["Tally"], str]
"""Says why a run must stop where it has cost too much, else nothing."""

INTERRUPTED = "interrupted"
GRACE_SECONDS = 5.0
_HAND_OVER_SECONDS = 0.05  # what is as good as answered
# Rows that wait for an answer, and those behind them that are done: one slow call must not keep the rest from asking.
_WINDOW = 1_000
_SIGHT = 10 * _WINDOW
# A provider that reads the beginning of a prompt once for many rows wants them close together.
_ROWS_TOGETHER = 64
_SPARE_WORKERS = 2  # for each slot of a model: a worker that waits to try again must not keep another from asking


@dataclass(frozen=True, slots=True)
class Crew:
    """A model and how many calls it may ever have in flight; how many it has just now, its limiter decides.

    After `halt()` it begins no call any more, and ends those that wait to begin.
    """

    model: Model
    concurrency: int
    halt: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class RowResult:
    """A finished row: its place, the row as it came, and the outcome of every step that it needed."""

    index: int
    row: Row
    outcomes: Mapping[int, Outcome]
    paths: Mapping[int, Path] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class _Desk:
    """Where the questions for one model wait, in the order of `_place`, and the workers that take them."""

    crew: Crew
    queue: asyncio.PriorityQueue[tuple[Place, Asking, Enquiry]] = field(
        default_factory=asyncio.PriorityQueue
    )
    workers: list[asyncio.Task[None]] = field(default_factory=list)
    idle: int = 0
    recall: Callable[[Sequence[Request]], Sequence[Reply | None]] = field(init=False)

    def __post_init__(self) -> None:
        model = self.crew.model
        self.recall = (
            model.recall
            if isinstance(model, Recalling)
            else lambda requests: [None] * len(requests)
        )


@dataclass(eq=False, slots=True)
class _Wave:
    """What is new to be asked about a row or a group, `before` how many others were asked, and what nobody knows."""

    asking: Asking
    before: int
    new: Sequence[Enquiry]
    unknown: list[Enquiry] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """What a run has used and found so far; `stopped` says why it ended early, if it did."""

    by_model: dict[tuple[int, ModelUse], Usage] = field(default_factory=dict)
    rows: int = 0
    asked: int = 0
    stopped: str = ""

    def add(self, enquiry: Enquiry, usage: Usage) -> None:
        place = (enquiry.step, enquiry.model)
        self.by_model[place] = self.by_model.get(place, _NOTHING) + usage

    @property
    def usage(self) -> Usage:
        """Of the whole run; whoever draws the progress asks from another thread."""
        return sum(list(self.by_model.values()), _NOTHING)

    def of_step(self, number: int) -> Usage:
        """Of one step, whichever models it asked."""
        return sum(
            (usage for (step, _), usage in list(self.by_model.items()) if step == number), _NOTHING
        )


_NOTHING = Usage()


class Run:
    """One run of a plan over rows. Memory does not grow with the rows: at most a window of them is in sight.

    Rows that are ranked among themselves stay in sight until they are: the last one may be the best.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        crews: Mapping[ModelUse, Crew],
        overspent: Spending = lambda _: "",
        seed: int = 0,
    ) -> None:
        self.tally = Tally()
        self.crews = crews
        self._evaluator = evaluator
        self._groups = Groups(evaluator, seed)
        self._overspent = overspent
        self._desks: dict[ModelUse, _Desk] = {}
        self._changed = asyncio.Event()
        self._stopping: Status | None = None
        self._interrupted = self._hurried = False
        self._answering: set[asyncio.Task[None]] = set()
        self._open = self._rows = 0
        self.lingering: frozenset[asyncio.Task[None]] = frozenset()

    def stop(self, status: Status, why: str) -> None:
        """Ask nothing more: calls in flight may finish, rows not reached get this status."""
        if self._stopping is None:
            self._stopping, self.tally.stopped = status, why
            for crew in self.crews.values():
                crew.halt()
        self._changed.set()

    def interrupt(self, *, hurried: bool = False) -> None:
        """Somebody wants it to end: nothing is asked, and rows not reached are not even looked at.

        Where they are in a hurry the results come at once, and calls in flight are left behind: see `settled`.
        """
        self._interrupted, self._hurried = True, hurried
        self.stop(Status.CANCELLED, INTERRUPTED)

    async def settled(self, seconds: float) -> None:
        """Wait for the calls that a run in a hurry left behind; what is not answered by then is given up."""
        if self.lingering:
            _, late = await asyncio.wait(self.lingering, timeout=seconds)
            await _cancelled(late)

    async def results(self, rows: Iterator[Row]) -> AsyncIterator[RowResult]:
        """The finished rows, in the order in which they came."""
        self._desks = {use: _Desk(crew) for use, crew in self.crews.items()}
        try:
            async for result in self._in_order(rows):
                self.tally.rows += 1
                yield result
        finally:
            await self._dismiss()

    async def _dismiss(self) -> None:
        await _cancelled(
            w for desk in self._desks.values() for w in desk.workers if w not in self.lingering
        )

    async def _in_order(self, rows: Iterator[Row]) -> AsyncIterator[RowResult]:
        sight: deque[RowState] = deque()
        numbered = enumerate(rows)
        more = True
        while more or sight:
            while more and self._room(sight) and self._stopping is None:
                more = self._admit(numbered, sight)
                await asyncio.sleep(0)
                if sight and sight[0].done:
                    break
            while sight and sight[0].done:
                yield _result(sight.popleft())
            if self._stopping is not None:
                async for result in self._wind_up(sight, numbered):
                    yield result
                return
            if not more and not self._open:
                self._untie()
            if sight and not sight[0].done and not (more and self._room(sight)):
                await self._wait()

    def _untie(self) -> None:
        """Nothing is out any more: rows that wait all the same wait for each other."""
        self._advance(self._groups.untied())

    def _room(self, sight: deque[RowState]) -> int:
        """How many rows may come in sight now: a few together."""
        unseen = _ROWS_TOGETHER if self._groups.gather else _SIGHT - len(sight)
        return max(0, min(_ROWS_TOGETHER, _WINDOW - self._open, unseen))

    def _admit(self, numbered: Iterator[tuple[int, Row]], sight: deque[RowState]) -> bool:
        """The next rows, a few together; false where there are no more."""
        most = self._room(sight)
        states = [RowState(index, row) for index, row in islice(numbered, most)]
        sight += states
        self._rows += len(states)
        self._advance(states)
        if len(states) < most:
            self._advance(self._groups.close(self._rows))
        return len(states) == most

    def _advance(self, askings: Iterable[Asking]) -> None:
        """Go on with rows and groups as far as what is known carries them, and with all that this frees."""
        going = list(askings)
        while going:
            waves = [self._wave(asking) for asking in going]
            self._recall(waves)
            going = [more for wave in waves for more in self._step(wave)]

    def _wave(self, asking: Asking) -> _Wave:
        before = len(asking.asked)
        new = (
            self._groups.advance(asking)
            if isinstance(asking, Group)
            else self._evaluator.advance(asking)
        )
        return _Wave(asking, before, new)

    def _recall(self, waves: Sequence[_Wave]) -> None:
        """Take the scores that are known, all in one look; what is poor goes the long way."""
        by_model: dict[ModelUse, list[tuple[_Wave, Enquiry]]] = {}
        for wave in waves:
            for enquiry in wave.new:
                by_model.setdefault(enquiry.model, []).append((wave, enquiry))
        for use, asked in by_model.items():
            requests = [
                Request(enquiry.question, enquiry.draw, row=wave.asking.index)
                for wave, enquiry in asked
            ]
            for (wave, enquiry), reply in zip(
                asked, self._desks[use].recall(requests), strict=True
            ):
                outcome = reply and read(reply, enquiry.question)
                if reply is None or not isinstance(outcome, Score):
                    wave.unknown.append(enquiry)
                else:
                    self._spend(enquiry, reply.usage)
                    self._take(wave.asking, enquiry, outcome)

    def _step(self, wave: _Wave) -> Sequence[Asking]:
        """What is not known goes to the desks; returns what can go on, itself where some of it was known."""
        for enquiry in wave.unknown:
            desk = self._desks[enquiry.model]
            place = _place(wave.asking, wave.before, enquiry, self.tally.asked)
            desk.queue.put_nowait((place, wave.asking, enquiry))
            self._hire(desk)
            self.tally.asked += 1
        if len(wave.unknown) < len(wave.new):
            return (wave.asking,)
        if isinstance(wave.asking, Group):
            return self._groups.freed_by(wave.asking)
        self._count(wave.asking)
        return self._groups.arrive(wave.asking)

    def _count(self, state: RowState) -> None:
        """Keep count of the rows that wait for an answer of their own: those that wait for others ask nothing."""
        waiting = not state.done and (not state.seats or self._evaluator.is_asking(state))
        self._open += waiting - state.waiting
        state.waiting = waiting
        if not waiting:
            self._changed.set()

    def _hire(self, desk: _Desk) -> None:
        """One more worker where all are busy, up to what the model may ever need."""
        if (
            desk.queue.qsize() > desk.idle
            and len(desk.workers) < desk.crew.concurrency * _SPARE_WORKERS
        ):
            worker = asyncio.create_task(self._work(desk))
            worker.add_done_callback(lambda _: self._changed.set())
            desk.workers.append(worker)
            # Until it has started, it is as good as idle: the next question is not its to hire for.
            desk.idle += 1

    async def _wait(self) -> None:
        """Until something has changed. A worker that broke would leave rows that nobody ends: its error is raised."""
        self._changed.clear()
        self._check_workers()
        await self._changed.wait()
        self._check_workers()

    def _check_workers(self) -> None:
        for worker in (worker for desk in self._desks.values() for worker in desk.workers):
            if worker.done() and not worker.cancelled():
                worker.result()

    # ── stopping ──

    async def _wind_up(
        self, sight: deque[RowState], numbered: Iterator[tuple[int, Row]]
    ) -> AsyncIterator[RowResult]:
        """Calls in flight have a few seconds; then every row left gets its status, those not reached too."""
        await self._last_calls(GRACE_SECONDS, lambda: self._hurried)
        if self._hurried:
            await self._last_calls(_HAND_OVER_SECONDS)
            self.lingering = frozenset(self._answering)
        await self._dismiss()
        self._groups.settle()
        for state in sight:
            yield self._given_up(state)
        for index, row in numbered:
            yield (
                self._not_reached(index, row)
                if self._interrupted
                else self._given_up(RowState(index, row))
            )

    async def _last_calls(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._answering and not enough():
                    await self._wait()

    def _not_reached(self, index: int, row: Row) -> RowResult:
        assert self._stopping is not None
        return RowResult(
            index, row, dict.fromkeys(self._evaluator.steps, Unscored(self._stopping, INTERRUPTED))
        )

    def _given_up(self, state: RowState) -> RowResult:
        """A row that was not reached: what it may yet have needed was not skipped."""
        assert self._stopping is not None
        given_up = Unscored(self._stopping, self.tally.stopped)
        for step in possible_steps(self._evaluator, state):
            state.outcomes[step.number] = given_up
        out = [
            enquiry
            for enquiry in state.asked.values()
            if not self._evaluator.has_answer(state, enquiry)
        ]
        while not state.done:
            for enquiry in out:
                self._evaluator.take(state, enquiry, given_up)
            out = self._evaluator.advance(state)
        # A copy: a call that was left behind may still write there.
        return RowResult(state.index, state.row, dict(state.outcomes), paths_of(state))

    # ── workers ──

    async def _work(self, desk: _Desk) -> None:
        me = asyncio.current_task()
        assert me is not None
        while not self._has_ended():
            _, asking, enquiry = await desk.queue.get()
            desk.idle -= 1
            if self._has_ended():
                return
            self._answering.add(me)
            try:
                with caught(partial(self._take, asking, enquiry)):
                    self._take(asking, enquiry, await self._answer(desk, asking, enquiry))
            finally:
                self._answering.discard(me)
                desk.idle += 1
                self._changed.set()
            if not self._has_ended():
                self._advance((asking,))

    def _take(self, asking: Asking, enquiry: Enquiry, answer: Outcome) -> None:
        if isinstance(asking, Group):
            asking.take(enquiry, answer)
        else:
            self._evaluator.take(asking, enquiry, answer)

    def _has_ended(self) -> bool:
        return self._stopping is not None

    async def _answer(self, desk: _Desk, asking: Asking, enquiry: Enquiry) -> Outcome:
        """Ask, and once more where the reply holds no verdict that was offered."""
        question = enquiry.question
        request = Request(question, enquiry.draw, row=asking.index)
        attempts = 0
        while True:
            try:
                reply = await self._complete(desk, request, enquiry)
            except CallError as error:
                error.attempts += attempts
                raise
            attempts += reply.usage.calls
            outcome = read(reply, question)
            again = follow_up(reply, outcome, question) if isinstance(outcome, Unscored) else None
            if again is None or request.follow_up:
                return replace(outcome, attempts=attempts) if attempts else outcome
            request = replace(request, follow_up=again)

    def _give_up_on(self, desk: _Desk, why: str) -> None:
        """No other call to this model can do better: what waits for it is not tried, calls to others may finish."""
        self.stop(Status.CANCELLED, why)
        for worker in desk.workers:
            if worker is not asyncio.current_task():
                worker.cancel()

    async def _complete(self, desk: _Desk, request: Request, enquiry: Enquiry) -> Reply:
        try:
            reply = await desk.crew.model.complete(request)
        except CallError as error:
            self.tally.add(enquiry, Usage(calls=error.attempts, retried=max(0, error.attempts - 1)))
            if error.fatal:
                self._give_up_on(desk, str(error))
            raise
        except Abandoned as error:
            self.tally.add(enquiry, Usage(calls=error.attempts, retried=error.attempts - 1))
            raise
        self._spend(enquiry, reply.usage)
        return reply

    def _spend(self, enquiry: Enquiry, usage: Usage) -> None:
        self.tally.add(enquiry, usage)
        if why := self._overspent(self.tally):
            self.stop(Status.OVER_BUDGET, why)


def _place(asking: Asking, before: int, enquiry: Enquiry, asked: int) -> Place:
    """The order of questions: one grader's of some rows together, no row far behind the next, first things first.

    `before` is how many others of it were asked first: what waits for an answer waits for its neighbours' too.
    `asked` is how many there were in the whole run: it keeps the draws of one grader apart.
    """
    return asking.index // _ROWS_TOGETHER, before, enquiry.step, asking.index, asked


async def _cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel these, and wait until they are gone."""
    gone = list(tasks)
    for task in gone:
        task.cancel()
    await asyncio.gather(*gone, return_exceptions=True)


def _result(state: RowState) -> RowResult:
    return RowResult(state.index, state.row, state.outcomes, paths_of(state))


def output_of(result: RowResult, number: int) -> Outcome:
    """The outcome of a step on a row; a step that the row never needed was skipped."""
    return result.outcomes.get(number) or Unscored(Status.SKIPPED)
