"""The run: worker pools, one for each model, send the questions of the open rows.

The results come in the order of the rows, whatever the order of the replies.
"""

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
from rmg_dsl.messages import Model, RecallingModel, Reply, Request, Usage, estimate_usage
from rmg_dsl.models import CallCancelled
from rmg_dsl.results import Outcome, RefinePath, Score, Status, Unscored
from rmg_dsl.runtime.evaluate import Evaluator
from rmg_dsl.runtime.expected_calls import possible_steps
from rmg_dsl.runtime.rankings import RankingGroup, RankingGroups
from rmg_dsl.runtime.row_state import Row, RowState, attempt, attempt_call, paths_of

QueuePriority: TypeAlias = tuple[int, int, int, int, int]
Subject: TypeAlias = RowState | RankingGroup
BudgetCheck = Callable[["Tally"], str]
"""Gives the reason why a run must stop for its cost, an empty text where it may go on."""

INTERRUPTED = "interrupted"
GRACE_SECONDS = 5.0
_HAND_OVER_SECONDS = 0.05  # time for replies that have arrived to be stored
# How many rows may wait for an answer, and how many may be open with those behind them that are
# done: one slow call must not keep the other workers from sending.
_WINDOW = 1_000
_SIGHT = 10 * _WINDOW
# Providers cache the beginning of a prompt for a short time: equal prompts must be sent together.
_ROW_BLOCK_SIZE = 64
# A worker that waits for a retry must not block a slot of its model.
_WORKERS_PER_SLOT = 2


@dataclass(frozen=True, slots=True)
class RunModel:
    """A model and the most calls that it may ever have in flight; its limiter may allow fewer.

    After `halt()` it begins no call, and the calls that wait to begin end.
    """

    model: Model
    concurrency: int
    halt: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class RowResult:
    """A finished row: its index, its data, the outcomes of its steps, the paths of its loops."""

    index: int
    row: Row
    outcomes: Mapping[int, Outcome]
    paths: Mapping[int, RefinePath] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class _WorkerPool:
    """The workers of one model and its queue, in the order of `_queue_priority`."""

    run_model: RunModel
    queue: asyncio.PriorityQueue[tuple[QueuePriority, Subject, Enquiry]] = field(
        default_factory=asyncio.PriorityQueue
    )
    workers: list[asyncio.Task[None]] = field(default_factory=list)
    idle_workers: int = 0
    recall: Callable[[Sequence[Request]], Sequence[Reply | None]] = field(init=False)

    def __post_init__(self) -> None:
        model = self.run_model.model
        if isinstance(model, RecallingModel):
            self.recall = model.recall
        else:
            self.recall = lambda requests: [None] * len(requests)


@dataclass(eq=False, slots=True)
class _EnquiryBatch:
    """The new enquiries of a row or a group, and those among them that the cache does not answer.

    `prior_enquiries` is how many it sent before.
    """

    subject: Subject
    prior_enquiries: int
    new_enquiries: Sequence[Enquiry]
    uncached_enquiries: list[Enquiry] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """The counts of a run so far; `stop_reason` says why it ended early, if it did."""

    by_model: dict[tuple[int, ModelUse], Usage] = field(default_factory=dict)
    rows: int = 0
    enquiry_count: int = 0
    stop_reason: str = ""

    def add(self, enquiry: Enquiry, usage: Usage) -> None:
        """Count the usage of a call."""
        key = (enquiry.step, enquiry.model)
        self.by_model[key] = self.by_model.get(key, _NO_USAGE) + usage

    @property
    def usage(self) -> Usage:
        """The usage of the whole run."""
        # The progress display reads from another thread: the list is a copy that does not change.
        return sum(list(self.by_model.values()), _NO_USAGE)

    def usage_of_step(self, number: int) -> Usage:
        """The usage of one step, over all its models."""
        return sum(
            (usage for (step, _), usage in list(self.by_model.items()) if step == number), _NO_USAGE
        )


_NO_USAGE = Usage()


class Run:
    """One run of a plan over rows. Memory does not grow with the rows: at most a window is open.

    Rows that are ranked among themselves stay open until all are there: the last may be the best.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        run_models: Mapping[ModelUse, RunModel],
        budget_check: BudgetCheck = lambda _: "",
        seed: int = 0,
    ) -> None:
        self.tally = Tally()
        self.run_models = run_models
        self._evaluator = evaluator
        self._ranking_groups = RankingGroups(evaluator, seed)
        self._budget_check = budget_check
        self._worker_pools: dict[ModelUse, _WorkerPool] = {}
        self._change_event = asyncio.Event()
        self._stop_status: Status | None = None
        self._is_interrupted = self._is_hurried = False
        self._busy_workers: set[asyncio.Task[None]] = set()
        self._waiting_rows = self._rows_read = 0
        self.unfinished_calls: frozenset[asyncio.Task[None]] = frozenset()

    def stop(self, status: Status, why: str) -> None:
        """Send nothing more: calls in flight may finish, rows not reached get this status."""
        if self._stop_status is None:
            self._stop_status, self.tally.stop_reason = status, why
            for run_model in self.run_models.values():
                run_model.halt()
        self._change_event.set()

    def interrupt(self, *, hurried: bool = False) -> None:
        """End the run at the user's request: send nothing, and leave the rows not reached alone.

        With `hurried` the results come at once and the calls in flight go on: see
        `wait_for_unfinished`.
        """
        self._is_interrupted, self._is_hurried = True, hurried
        self.stop(Status.CANCELLED, INTERRUPTED)

    async def wait_for_unfinished(self, seconds: float) -> None:
        """Wait for the calls that a hurried end left in flight, then cancel what has no answer."""
        if self.unfinished_calls:
            _, unanswered = await asyncio.wait(self.unfinished_calls, timeout=seconds)
            await _cancel_tasks(unanswered)

    async def results(self, rows: Iterator[Row]) -> AsyncIterator[RowResult]:
        """The finished rows, in the order of the data."""
        # Not in `__init__`: the caller may still wrap the models, as `--log` does.
        self._worker_pools = {
            use: _WorkerPool(run_model) for use, run_model in self.run_models.items()
        }
        try:
            async for result in self._results_in_order(rows):
                self.tally.rows += 1
                yield result
        finally:
            await self._cancel_workers()

    async def _cancel_workers(self) -> None:
        workers = (worker for pool in self._worker_pools.values() for worker in pool.workers)
        await _cancel_tasks(w for w in workers if w not in self.unfinished_calls)

    async def _results_in_order(self, rows: Iterator[Row]) -> AsyncIterator[RowResult]:
        sight: deque[RowState] = deque()
        numbered = enumerate(rows)
        has_more = True
        while has_more or sight:
            while has_more and self._admissible_rows(sight) and self._stop_status is None:
                has_more = self._admit_rows(numbered, sight)
                # Let the workers start on these rows before more are read.
                await asyncio.sleep(0)
                if sight and sight[0].is_done:
                    break
            while sight and sight[0].is_done:
                yield _row_result(sight.popleft())
            # Finished rows come first: only rows that are not finished get the status of the stop.
            if self._stop_status is not None:
                async for result in self._drain_stopped_run(sight, numbered):
                    yield result
                return
            if not has_more and not self._waiting_rows:
                self._break_ranking_deadlock()
            if sight and not sight[0].is_done and not (has_more and self._admissible_rows(sight)):
                await self._wait_for_change()

    def _break_ranking_deadlock(self) -> None:
        """Fail rows that wait for each other. Call it when no answer is out."""
        self._advance_subjects(self._ranking_groups.break_deadlock())

    def _admissible_rows(self, sight: deque[RowState]) -> int:
        """How many rows may be opened now: one block at most."""
        unseen = _ROW_BLOCK_SIZE if self._ranking_groups.needs_all_rows else _SIGHT - len(sight)
        return max(0, min(_ROW_BLOCK_SIZE, _WINDOW - self._waiting_rows, unseen))

    def _admit_rows(self, numbered: Iterator[tuple[int, Row]], sight: deque[RowState]) -> bool:
        """Open the next block of rows; false where there are no more rows."""
        most = self._admissible_rows(sight)
        states = [RowState(index, row) for index, row in islice(numbered, most)]
        sight += states
        self._rows_read += len(states)
        self._advance_subjects(states)
        # A short block is the last one: now the groups of rankings are complete.
        if len(states) < most:
            self._advance_subjects(self._ranking_groups.close_rows(self._rows_read))
        return len(states) == most

    def _advance_subjects(self, subjects: Iterable[Subject]) -> None:
        """Go on with rows and groups as far as the answers allow, and with what this unblocks."""
        pending = list(subjects)
        while pending:
            batches = [self._enquiry_batch(subject) for subject in pending]
            self._take_cached_scores(batches)
            pending = [freed for batch in batches for freed in self._enqueue_batch(batch)]

    def _enquiry_batch(self, subject: Subject) -> _EnquiryBatch:
        before = len(subject.enquiries)
        if isinstance(subject, RankingGroup):
            new = self._ranking_groups.advance_group(subject)
        else:
            new = self._evaluator.advance(subject)
        return _EnquiryBatch(subject, before, new)

    def _take_cached_scores(self, batches: Sequence[_EnquiryBatch]) -> None:
        """Take the scores of cached replies, one cache lookup for each model.

        A cached reply without a score goes to the workers: they ask once more, as after a call.
        """
        by_model: dict[ModelUse, list[tuple[_EnquiryBatch, Enquiry]]] = {}
        for batch in batches:
            for enquiry in batch.new_enquiries:
                by_model.setdefault(enquiry.model, []).append((batch, enquiry))
        for use, enquiries in by_model.items():
            requests = [
                Request(enquiry.question, enquiry.draw, row=batch.subject.index)
                for batch, enquiry in enquiries
            ]
            for (batch, enquiry), reply in zip(
                enquiries, self._worker_pools[use].recall(requests), strict=True
            ):
                # Without a score the reply needs the follow-up question, as after a call.
                outcome = reply and read_reply(reply, enquiry.question)
                if reply is None or not isinstance(outcome, Score):
                    batch.uncached_enquiries.append(enquiry)
                else:
                    self._add_usage(enquiry, reply.usage)
                    self._add_answer(batch.subject, enquiry, outcome)

    def _enqueue_batch(self, batch: _EnquiryBatch) -> Sequence[Subject]:
        """Queue the enquiries without a cached score; return the subjects that can go on.

        The subject itself can, where the cache had a score for it.
        """
        for enquiry in batch.uncached_enquiries:
            pool = self._worker_pools[enquiry.model]
            priority = _queue_priority(
                batch.subject, batch.prior_enquiries, enquiry, self.tally.enquiry_count
            )
            pool.queue.put_nowait((priority, batch.subject, enquiry))
            self._start_worker(pool)
            self.tally.enquiry_count += 1
        if len(batch.uncached_enquiries) < len(batch.new_enquiries):
            return (batch.subject,)
        if isinstance(batch.subject, RankingGroup):
            return self._ranking_groups.unblocked_by(batch.subject)
        self._update_waiting_rows(batch.subject)
        return self._ranking_groups.add_row(batch.subject)

    def _update_waiting_rows(self, state: RowState) -> None:
        """Count the rows that wait for an answer of their own.

        Rows that only wait for a rank do not count: they send nothing, and a ranking may need all
        of them open.
        """
        waiting = not state.is_done and (
            not state.ranking_entries or self._evaluator.is_asking(state)
        )
        self._waiting_rows += waiting - state.is_waiting
        state.is_waiting = waiting
        if not waiting:
            self._change_event.set()

    def _start_worker(self, pool: _WorkerPool) -> None:
        """Start one more worker where all are busy, up to what the model can use."""
        if (
            pool.queue.qsize() > pool.idle_workers
            and len(pool.workers) < pool.run_model.concurrency * _WORKERS_PER_SLOT
        ):
            worker = asyncio.create_task(self._run_worker(pool))
            # A worker that breaks must wake the run: nothing else would.
            worker.add_done_callback(lambda _: self._change_event.set())
            pool.workers.append(worker)
            # It counts as idle until it starts: the next question must not start one more for it.
            pool.idle_workers += 1

    async def _wait_for_change(self) -> None:
        """Wait until something changes. Raises the error of a worker that broke.

        Without that its rows would never end, and neither would the run.
        """
        self._change_event.clear()
        self._check_workers()
        await self._change_event.wait()
        self._check_workers()

    def _check_workers(self) -> None:
        for pool in self._worker_pools.values():
            for worker in pool.workers:
                if worker.done() and not worker.cancelled():
                    worker.result()

    # ── stopping ──

    async def _drain_stopped_run(
        self, sight: deque[RowState], numbered: Iterator[tuple[int, Row]]
    ) -> AsyncIterator[RowResult]:
        """Wait a few seconds for calls in flight, then end all open rows and all rows not read."""
        await self._wait_for_calls(GRACE_SECONDS, lambda: self._is_hurried)
        if self._is_hurried:
            await self._wait_for_calls(_HAND_OVER_SECONDS)
            self.unfinished_calls = frozenset(self._busy_workers)
        await self._cancel_workers()
        self._ranking_groups.close_answered_groups()
        for state in sight:
            yield self._stopped_result(state)
        for index, row in numbered:
            # After an interrupt no code runs on rows not reached: the user wants the end now.
            if self._is_interrupted:
                yield self._unreached_result(index, row)
            else:
                yield self._stopped_result(RowState(index, row))

    async def _wait_for_calls(
        self, seconds: float, is_enough: Callable[[], bool] = lambda: False
    ) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._busy_workers and not is_enough():
                    await self._wait_for_change()

    def _unreached_result(self, index: int, row: Row) -> RowResult:
        assert self._stop_status is not None
        outcome = Unscored(self._stop_status, INTERRUPTED)
        return RowResult(index, row, dict.fromkeys(self._evaluator.steps, outcome))

    def _stopped_result(self, state: RowState) -> RowResult:
        """The result of a row that the run did not finish.

        A step that the row may yet have needed gets the status of the run: it was not skipped.
        """
        assert self._stop_status is not None
        outcome = Unscored(self._stop_status, self.tally.stop_reason)
        for step in possible_steps(self._evaluator, state):
            state.outcomes[step.number] = outcome
        open_enquiries = [
            enquiry
            for enquiry in state.enquiries.values()
            if not self._evaluator.has_answer(state, enquiry)
        ]
        # The answer of an enquiry may lead to more of them: all get the same answer.
        while not state.is_done:
            for enquiry in open_enquiries:
                self._evaluator.add_answer(state, enquiry, outcome)
            open_enquiries = self._evaluator.advance(state)
        # A copy: a call that is still in flight may write to the state.
        return RowResult(state.index, state.row, dict(state.outcomes), paths_of(state))

    # ── workers ──

    async def _run_worker(self, pool: _WorkerPool) -> None:
        """Answer the questions of a pool, one after the other, until the run stops."""
        worker = asyncio.current_task()
        assert worker is not None
        while not self._is_stopping():
            _, subject, enquiry = await pool.queue.get()
            pool.idle_workers -= 1
            # The run may have stopped while this worker waited for a question.
            if self._is_stopping():
                return
            self._busy_workers.add(worker)
            try:
                answer = await attempt_call(self._ask_with_follow_up(pool, subject, enquiry))
                failure = attempt(partial(self._add_answer, subject, enquiry), answer)
                if failure is not None:
                    self._add_answer(subject, enquiry, failure)
            finally:
                self._busy_workers.discard(worker)
                pool.idle_workers += 1
                self._change_event.set()
            if not self._is_stopping():
                self._advance_subjects((subject,))

    def _add_answer(self, subject: Subject, enquiry: Enquiry, answer: Outcome) -> None:
        if isinstance(subject, RankingGroup):
            subject.add_answer(enquiry, answer)
        else:
            self._evaluator.add_answer(subject, enquiry, answer)

    def _is_stopping(self) -> bool:
        return self._stop_status is not None

    async def _ask_with_follow_up(
        self, pool: _WorkerPool, subject: Subject, enquiry: Enquiry
    ) -> Outcome:
        """Ask, and ask once more where the reply has no usable verdict."""
        question = enquiry.question
        request = Request(question, enquiry.draw, row=subject.index)
        attempts = 0
        while True:
            try:
                reply = await self._complete_request(pool, request, enquiry)
            except CallError as error:
                # The outcome must count the calls before the follow-up too.
                error.attempts += attempts
                raise
            attempts += reply.usage.calls
            outcome = read_reply(reply, question)
            follow_up_messages = (
                follow_up(reply, outcome, question) if isinstance(outcome, Unscored) else None
            )
            if follow_up_messages is None or request.follow_up:
                return replace(outcome, attempts=attempts) if attempts else outcome
            request = replace(request, follow_up=follow_up_messages)

    def _abort_model(self, pool: _WorkerPool, why: str) -> None:
        """Stop the run: every call to this model would fail. Calls to other models may finish."""
        self.stop(Status.CANCELLED, why)
        for worker in pool.workers:
            # This worker still has to record the failure of its own call.
            if worker is not asyncio.current_task():
                worker.cancel()

    async def _complete_request(
        self, pool: _WorkerPool, request: Request, enquiry: Enquiry
    ) -> Reply:
        try:
            reply = await pool.run_model.model.complete(request)
        except CallError as error:
            self.tally.add(enquiry, Usage(calls=error.attempts, retried=max(0, error.attempts - 1)))
            if error.fatal:
                self._abort_model(pool, str(error))
            raise
        except CallCancelled as error:
            self.tally.add(enquiry, Usage(calls=error.attempts, retried=error.attempts - 1))
            raise
        self._add_usage(enquiry, estimate_usage(request, reply))
        return reply

    def _add_usage(self, enquiry: Enquiry, usage: Usage) -> None:
        self.tally.add(enquiry, usage)
        # After each call, so that a run overspends by the calls in flight at most.
        if why := self._budget_check(self.tally):
            self.stop(Status.OVER_BUDGET, why)


def _queue_priority(
    subject: Subject, prior_enquiries: int, enquiry: Enquiry, enquiry_count: int
) -> QueuePriority:
    """The order of the queue: by block of rows, then the first questions of the rows, then by step.

    So the questions of one grader about a block of rows stand together, and no row falls far
    behind. `prior_enquiries` is how many questions the row or group sent before. `enquiry_count` is
    how many the whole run sent: it keeps the order of the draws of one grader.
    """
    return (
        subject.index // _ROW_BLOCK_SIZE,
        prior_enquiries,
        enquiry.step,
        subject.index,
        enquiry_count,
    )


async def _cancel_tasks(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks, and wait until they have ended."""
    cancelled = list(tasks)
    for task in cancelled:
        task.cancel()
    # Their errors are of no use any more; an error that matters was raised by `_check_workers`.
    await asyncio.gather(*cancelled, return_exceptions=True)


def _row_result(state: RowState) -> RowResult:
    return RowResult(state.index, state.row, state.outcomes, paths_of(state))


def output_of(result: RowResult, number: int) -> Outcome:
    """The outcome of a step on a row; a step that the row never needed counts as skipped."""
    return result.outcomes.get(number) or Unscored(Status.SKIPPED)
