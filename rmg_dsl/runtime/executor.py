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
from rmg_dsl.judge import Enquiry, follow_up, read_reply
from rmg_dsl.messages import Model, RecallingModel, Reply, Request, Usage
from rmg_dsl.models import CallCancelled
from rmg_dsl.results import Outcome, RefinePath, Score, Status, Unscored
from rmg_dsl.runtime.evaluate import Evaluator
from rmg_dsl.runtime.expected_calls import possible_steps
from rmg_dsl.runtime.rankings import RankingGroup, RankingGroups
from rmg_dsl.runtime.row_state import Row, RowState, attempt, attempt_call, paths_of

QueuePriority: TypeAlias = tuple[int, int, int, int, int]
Subject: TypeAlias = RowState | RankingGroup
BudgetCheck = Callable[["Tally"], str]
"""Says why a run must stop where it has cost too much, else nothing."""

INTERRUPTED = "interrupted"
GRACE_SECONDS = 5.0
_HAND_OVER_SECONDS = 0.05  # what is as good as answered
# Rows that wait for an answer, and those behind them that are done: one slow call must not keep the rest from asking.
_WINDOW = 1_000
_SIGHT = 10 * _WINDOW
# A provider that reads the beginning of a prompt once for many rows wants them close together.
_ROW_BLOCK_SIZE = 64
_WORKERS_PER_SLOT = 2  # for each slot of a model: a worker that waits to try again must not keep another from asking


@dataclass(frozen=True, slots=True)
class RunModel:
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
    paths: Mapping[int, RefinePath] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class _WorkerPool:
    """Where the questions for one model wait, in the order of `_queue_priority`, and the workers that take them."""

    run_model: RunModel
    queue: asyncio.PriorityQueue[tuple[QueuePriority, Subject, Enquiry]] = field(
        default_factory=asyncio.PriorityQueue
    )
    workers: list[asyncio.Task[None]] = field(default_factory=list)
    idle_workers: int = 0
    recall: Callable[[Sequence[Request]], Sequence[Reply | None]] = field(init=False)

    def __post_init__(self) -> None:
        model = self.run_model.model
        self.recall = (
            model.recall
            if isinstance(model, RecallingModel)
            else lambda requests: [None] * len(requests)
        )


@dataclass(eq=False, slots=True)
class _EnquiryBatch:
    """What is new to be asked about a row or a group, `before` how many others were asked, and what nobody knows."""

    subject: Subject
    prior_enquiries: int
    new_enquiries: Sequence[Enquiry]
    uncached_enquiries: list[Enquiry] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """What a run has used and found so far; `stopped` says why it ended early, if it did."""

    by_model: dict[tuple[int, ModelUse], Usage] = field(default_factory=dict)
    rows: int = 0
    enquiry_count: int = 0
    stop_reason: str = ""

    def add(self, enquiry: Enquiry, usage: Usage) -> None:
        place = (enquiry.step, enquiry.model)
        self.by_model[place] = self.by_model.get(place, _NO_USAGE) + usage

    @property
    def usage(self) -> Usage:
        """Of the whole run; whoever draws the progress asks from another thread."""
        return sum(list(self.by_model.values()), _NO_USAGE)

    def usage_of_step(self, number: int) -> Usage:
        """Of one step, whichever models it asked."""
        return sum(
            (usage for (step, _), usage in list(self.by_model.items()) if step == number), _NO_USAGE
        )


_NO_USAGE = Usage()


class Run:
    """One run of a plan over rows. Memory does not grow with the rows: at most a window of them is in sight.

    Rows that are ranked among themselves stay in sight until they are: the last one may be the best.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        crews: Mapping[ModelUse, RunModel],
        overspent: BudgetCheck = lambda _: "",
        seed: int = 0,
    ) -> None:
        self.tally = Tally()
        self.run_models = crews
        self._evaluator = evaluator
        self._ranking_groups = RankingGroups(evaluator, seed)
        self._budget_check = overspent
        self._worker_pools: dict[ModelUse, _WorkerPool] = {}
        self._change_event = asyncio.Event()
        self._stop_status: Status | None = None
        self._is_interrupted = self._is_hurried = False
        self._busy_workers: set[asyncio.Task[None]] = set()
        self._waiting_rows = self._rows_read = 0
        self.unfinished_calls: frozenset[asyncio.Task[None]] = frozenset()

    def stop(self, status: Status, why: str) -> None:
        """Ask nothing more: calls in flight may finish, rows not reached get this status."""
        if self._stop_status is None:
            self._stop_status, self.tally.stop_reason = status, why
            for crew in self.run_models.values():
                crew.halt()
        self._change_event.set()

    def interrupt(self, *, hurried: bool = False) -> None:
        """Somebody wants it to end: nothing is asked, and rows not reached are not even looked at.

        Where they are in a hurry the results come at once, and calls in flight are left behind: see `settled`.
        """
        self._is_interrupted, self._is_hurried = True, hurried
        self.stop(Status.CANCELLED, INTERRUPTED)

    async def wait_for_unfinished(self, seconds: float) -> None:
        """Wait for the calls that a run in a hurry left behind; what is not answered by then is given up."""
        if self.unfinished_calls:
            _, late = await asyncio.wait(self.unfinished_calls, timeout=seconds)
            await _cancel_tasks(late)

    async def results(self, rows: Iterator[Row]) -> AsyncIterator[RowResult]:
        """The finished rows, in the order in which they came."""
        self._worker_pools = {use: _WorkerPool(crew) for use, crew in self.run_models.items()}
        try:
            async for result in self._results_in_order(rows):
                self.tally.rows += 1
                yield result
        finally:
            await self._cancel_workers()

    async def _cancel_workers(self) -> None:
        await _cancel_tasks(
            w
            for desk in self._worker_pools.values()
            for w in desk.workers
            if w not in self.unfinished_calls
        )

    async def _results_in_order(self, rows: Iterator[Row]) -> AsyncIterator[RowResult]:
        sight: deque[RowState] = deque()
        numbered = enumerate(rows)
        more = True
        while more or sight:
            while more and self._admissible_rows(sight) and self._stop_status is None:
                more = self._admit_rows(numbered, sight)
                await asyncio.sleep(0)
                if sight and sight[0].is_done:
                    break
            while sight and sight[0].is_done:
                yield _row_result(sight.popleft())
            if self._stop_status is not None:
                async for result in self._drain_stopped_run(sight, numbered):
                    yield result
                return
            if not more and not self._waiting_rows:
                self._break_ranking_deadlock()
            if sight and not sight[0].is_done and not (more and self._admissible_rows(sight)):
                await self._wait_for_change()

    def _break_ranking_deadlock(self) -> None:
        """Nothing is out any more: rows that wait all the same wait for each other."""
        self._advance_subjects(self._ranking_groups.break_deadlock())

    def _admissible_rows(self, sight: deque[RowState]) -> int:
        """How many rows may come in sight now: a few together."""
        unseen = _ROW_BLOCK_SIZE if self._ranking_groups.needs_all_rows else _SIGHT - len(sight)
        return max(0, min(_ROW_BLOCK_SIZE, _WINDOW - self._waiting_rows, unseen))

    def _admit_rows(self, numbered: Iterator[tuple[int, Row]], sight: deque[RowState]) -> bool:
        """The next rows, a few together; false where there are no more."""
        most = self._admissible_rows(sight)
        states = [RowState(index, row) for index, row in islice(numbered, most)]
        sight += states
        self._rows_read += len(states)
        self._advance_subjects(states)
        if len(states) < most:
            self._advance_subjects(self._ranking_groups.close_rows(self._rows_read))
        return len(states) == most

    def _advance_subjects(self, askings: Iterable[Subject]) -> None:
        """Go on with rows and groups as far as what is known carries them, and with all that this frees."""
        going = list(askings)
        while going:
            waves = [self._enquiry_batch(asking) for asking in going]
            self._take_cached_scores(waves)
            going = [more for wave in waves for more in self._enqueue_batch(wave)]

    def _enquiry_batch(self, asking: Subject) -> _EnquiryBatch:
        before = len(asking.enquiries)
        new = (
            self._ranking_groups.advance_group(asking)
            if isinstance(asking, RankingGroup)
            else self._evaluator.advance(asking)
        )
        return _EnquiryBatch(asking, before, new)

    def _take_cached_scores(self, waves: Sequence[_EnquiryBatch]) -> None:
        """Take the scores that are known, all in one look; what is poor goes the long way."""
        by_model: dict[ModelUse, list[tuple[_EnquiryBatch, Enquiry]]] = {}
        for wave in waves:
            for enquiry in wave.new_enquiries:
                by_model.setdefault(enquiry.model, []).append((wave, enquiry))
        for use, asked in by_model.items():
            requests = [
                Request(enquiry.question, enquiry.draw, row=wave.subject.index)
                for wave, enquiry in asked
            ]
            for (wave, enquiry), reply in zip(
                asked, self._worker_pools[use].recall(requests), strict=True
            ):
                outcome = reply and read_reply(reply, enquiry.question)
                if reply is None or not isinstance(outcome, Score):
                    wave.uncached_enquiries.append(enquiry)
                else:
                    self._add_usage(enquiry, reply.usage)
                    self._add_answer(wave.subject, enquiry, outcome)

    def _enqueue_batch(self, wave: _EnquiryBatch) -> Sequence[Subject]:
        """What is not known goes to the desks; returns what can go on, itself where some of it was known."""
        for enquiry in wave.uncached_enquiries:
            desk = self._worker_pools[enquiry.model]
            place = _queue_priority(
                wave.subject, wave.prior_enquiries, enquiry, self.tally.enquiry_count
            )
            desk.queue.put_nowait((place, wave.subject, enquiry))
            self._start_worker(desk)
            self.tally.enquiry_count += 1
        if len(wave.uncached_enquiries) < len(wave.new_enquiries):
            return (wave.subject,)
        if isinstance(wave.subject, RankingGroup):
            return self._ranking_groups.unblocked_by(wave.subject)
        self._update_waiting_rows(wave.subject)
        return self._ranking_groups.add_row(wave.subject)

    def _update_waiting_rows(self, state: RowState) -> None:
        """Keep count of the rows that wait for an answer of their own: those that wait for others ask nothing."""
        waiting = not state.is_done and (
            not state.ranking_entries or self._evaluator.is_asking(state)
        )
        self._waiting_rows += waiting - state.is_waiting
        state.is_waiting = waiting
        if not waiting:
            self._change_event.set()

    def _start_worker(self, desk: _WorkerPool) -> None:
        """One more worker where all are busy, up to what the model may ever need."""
        if (
            desk.queue.qsize() > desk.idle_workers
            and len(desk.workers) < desk.run_model.concurrency * _WORKERS_PER_SLOT
        ):
            worker = asyncio.create_task(self._run_worker(desk))
            worker.add_done_callback(lambda _: self._change_event.set())
            desk.workers.append(worker)
            # Until it has started, it is as good as idle: the next question is not its to hire for.
            desk.idle_workers += 1

    async def _wait_for_change(self) -> None:
        """Until something has changed. A worker that broke would leave rows that nobody ends: its error is raised."""
        self._change_event.clear()
        self._check_workers()
        await self._change_event.wait()
        self._check_workers()

    def _check_workers(self) -> None:
        for worker in (worker for desk in self._worker_pools.values() for worker in desk.workers):
            if worker.done() and not worker.cancelled():
                worker.result()

    # ── stopping ──

    async def _drain_stopped_run(
        self, sight: deque[RowState], numbered: Iterator[tuple[int, Row]]
    ) -> AsyncIterator[RowResult]:
        """Calls in flight have a few seconds; then every row left gets its status, those not reached too."""
        await self._wait_for_calls(GRACE_SECONDS, lambda: self._is_hurried)
        if self._is_hurried:
            await self._wait_for_calls(_HAND_OVER_SECONDS)
            self.unfinished_calls = frozenset(self._busy_workers)
        await self._cancel_workers()
        self._ranking_groups.close_answered_groups()
        for state in sight:
            yield self._stopped_result(state)
        for index, row in numbered:
            yield (
                self._unreached_result(index, row)
                if self._is_interrupted
                else self._stopped_result(RowState(index, row))
            )

    async def _wait_for_calls(
        self, seconds: float, enough: Callable[[], bool] = lambda: False
    ) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._busy_workers and not enough():
                    await self._wait_for_change()

    def _unreached_result(self, index: int, row: Row) -> RowResult:
        assert self._stop_status is not None
        return RowResult(
            index,
            row,
            dict.fromkeys(self._evaluator.steps, Unscored(self._stop_status, INTERRUPTED)),
        )

    def _stopped_result(self, state: RowState) -> RowResult:
        """A row that was not reached: what it may yet have needed was not skipped."""
        assert self._stop_status is not None
        given_up = Unscored(self._stop_status, self.tally.stop_reason)
        for step in possible_steps(self._evaluator, state):
            state.outcomes[step.number] = given_up
        out = [
            enquiry
            for enquiry in state.enquiries.values()
            if not self._evaluator.has_answer(state, enquiry)
        ]
        while not state.is_done:
            for enquiry in out:
                self._evaluator.add_answer(state, enquiry, given_up)
            out = self._evaluator.advance(state)
        # A copy: a call that was left behind may still write there.
        return RowResult(state.index, state.row, dict(state.outcomes), paths_of(state))

    # ── workers ──

    async def _run_worker(self, desk: _WorkerPool) -> None:
        me = asyncio.current_task()
        assert me is not None
        while not self._is_stopping():
            _, asking, enquiry = await desk.queue.get()
            desk.idle_workers -= 1
            if self._is_stopping():
                return
            self._busy_workers.add(me)
            try:
                answer = await attempt_call(self._ask_with_follow_up(desk, asking, enquiry))
                failure = attempt(partial(self._add_answer, asking, enquiry), answer)
                if failure is not None:
                    self._add_answer(asking, enquiry, failure)
            finally:
                self._busy_workers.discard(me)
                desk.idle_workers += 1
                self._change_event.set()
            if not self._is_stopping():
                self._advance_subjects((asking,))

    def _add_answer(self, asking: Subject, enquiry: Enquiry, answer: Outcome) -> None:
        if isinstance(asking, RankingGroup):
            asking.add_answer(enquiry, answer)
        else:
            self._evaluator.add_answer(asking, enquiry, answer)

    def _is_stopping(self) -> bool:
        return self._stop_status is not None

    async def _ask_with_follow_up(
        self, desk: _WorkerPool, asking: Subject, enquiry: Enquiry
    ) -> Outcome:
        """Ask, and once more where the reply holds no verdict that was offered."""
        question = enquiry.question
        request = Request(question, enquiry.draw, row=asking.index)
        attempts = 0
        while True:
            try:
                reply = await self._complete_request(desk, request, enquiry)
            except CallError as error:
                error.attempts += attempts
                raise
            attempts += reply.usage.calls
            outcome = read_reply(reply, question)
            again = follow_up(reply, outcome, question) if isinstance(outcome, Unscored) else None
            if again is None or request.follow_up:
                return replace(outcome, attempts=attempts) if attempts else outcome
            request = replace(request, follow_up=again)

    def _abort_model(self, desk: _WorkerPool, why: str) -> None:
        """No other call to this model can do better: what waits for it is not tried, calls to others may finish."""
        self.stop(Status.CANCELLED, why)
        for worker in desk.workers:
            if worker is not asyncio.current_task():
                worker.cancel()

    async def _complete_request(
        self, desk: _WorkerPool, request: Request, enquiry: Enquiry
    ) -> Reply:
        try:
            reply = await desk.run_model.model.complete(request)
        except CallError as error:
            self.tally.add(enquiry, Usage(calls=error.attempts, retried=max(0, error.attempts - 1)))
            if error.fatal:
                self._abort_model(desk, str(error))
            raise
        except CallCancelled as error:
            self.tally.add(enquiry, Usage(calls=error.attempts, retried=error.attempts - 1))
            raise
        self._add_usage(enquiry, reply.usage)
        return reply

    def _add_usage(self, enquiry: Enquiry, usage: Usage) -> None:
        self.tally.add(enquiry, usage)
        if why := self._budget_check(self.tally):
            self.stop(Status.OVER_BUDGET, why)


def _queue_priority(asking: Subject, before: int, enquiry: Enquiry, asked: int) -> QueuePriority:
    """The order of questions: one grader's of some rows together, no row far behind the next, first things first.

    `before` is how many others of it were asked first: what waits for an answer waits for its neighbours' too.
    `asked` is how many there were in the whole run: it keeps the draws of one grader apart.
    """
    return asking.index // _ROW_BLOCK_SIZE, before, enquiry.step, asking.index, asked


async def _cancel_tasks(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel these, and wait until they are gone."""
    gone = list(tasks)
    for task in gone:
        task.cancel()
    await asyncio.gather(*gone, return_exceptions=True)


def _row_result(state: RowState) -> RowResult:
    return RowResult(state.index, state.row, state.outcomes, paths_of(state))


def output_of(result: RowResult, number: int) -> Outcome:
    """The outcome of a step on a row; a step that the row never needed was skipped."""
    return result.outcomes.get(number) or Unscored(Status.SKIPPED)
