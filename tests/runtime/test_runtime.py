"""A run: what a row comes to, what is asked for it, and that neither order nor failure of others
changes that.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import paths
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rmg_dsl as rmg
from rmg_dsl import ScriptedModel, std
from rmg_dsl.errors import CallError
from rmg_dsl.messages import Reply, Request, Usage
from rmg_dsl.models import CallLimiter, Cancellation, ConcurrencyLimitedModel
from rmg_dsl.plan import make_plan
from rmg_dsl.results import Score, Status
from rmg_dsl.runtime import (
    Evaluator,
    RequirementChecker,
    RowResult,
    Run,
    RunModel,
    bridge,
    executor,
    output_of,
)
from rmg_dsl.runtime.sync_bridge import Bridge
from rmg_dsl.stats import estimate_of

CASES = paths.CASES / "rows"
CELLS = [json.loads(line) for line in (CASES / "cells.jsonl").read_text("utf-8").splitlines()]
ONE = 'grader g -> 1..5 = "Rate {{ x }}"\n'
LAZY = """
grader first -> 1..5 = "First {{ x }}"
grader second -> 1..5 = "Second {{ x }}"
grader third -> bool = "Third {{ x }}"
grader brief = words(x) <= 2
aggregate chosen = first if third else second
aggregate guarded = weighted(first, second) if brief and third else 1
aggregate lenient:
    score = weighted(first=0.7, second=0.3)
    missing = drop
require mean(chosen) >= 1
"""


def cell(row: Mapping[str, Any], name: str) -> Any:
    """A score, or the status in its place."""
    return row[name] if row.get(f"{name}_status", "ok") == "ok" else row[f"{name}_status"]


def graded(
    spec: str, rows: Sequence[Mapping[str, Any]], script: Any = None, **options: Any
) -> rmg.Result:
    return rmg.grade(spec, [*rows], model=ScriptedModel(script or {}), **options)


def column(result: rmg.Result, name: str) -> list[Any]:
    return [cell(row, name) for row in result.rows()]


# One row


@pytest.mark.parametrize("case", CELLS, ids=lambda case: case["name"])
def test_a_row_comes_to_what_its_spec_says_and_asks_for_no_more(case: Mapping[str, Any]) -> None:
    model = ScriptedModel(case["replies"])
    row = next(iter(rmg.grade(case["spec"], [case["row"]], model=model).rows()))
    assert {name: cell(row, name) for name in case["want"]} == case["want"]
    assert sorted(request.question.grader for request in model.requests) == case["asked"]


def test_the_seeds_are_exact() -> None:
    for name, wanted in (("seed-weighted", "4.1"), ("seed-equal", "4.0"), ("seed-min", "3")):
        case = next(case for case in CELLS if case["name"] == name)
        assert repr(column(graded(case["spec"], [case["row"]], case["replies"]), "r")[0]) == wanted


@pytest.mark.parametrize(
    ("replies", "status", "attempts"),
    [
        (["?", "?"], "unparsed", 2),
        ([9, 9], "off_scale", 2),
        (["?", 9], "off_scale", 2),
        (["?", 4], "ok", 2),
        ([4], "ok", 1),
        ([Reply("", refusal="no")], "refused", 1),
        ([Reply("", finish="content_filter")], "refused", 1),
        (["?", Reply("", refusal="no")], "refused", 2),
        ([CallError("down", attempts=3)], "error", 3),
        (["?", CallError("down", attempts=3)], "error", 4),
        ([CallError("filtered", refused=True)], "refused", 1),
        ([CallError("gone", status_code=404)], "error", 1),
        ([Reply('{"verdict": 4}', usage=Usage(calls=3, retried=2))], "ok", 3),
        ([ValueError("a bug")], "error", 0),
    ],
)
def test_attempts_are_counted_and_only_a_poor_reply_is_asked_again(
    replies: Any, status: str, attempts: int
) -> None:
    found = outcomes(ONE, [{"x": "a"}], ScriptedModel({"g": replies}))[0]["g"]
    assert (str(found.status), found.attempts) == (status, attempts)


def test_a_second_question_holds_the_first_and_what_was_wrong() -> None:
    model = ScriptedModel({"g": ["four", 4]})
    rmg.grade(ONE, [{"x": "a"}], model=model)
    first, second = model.requests
    assert second.messages[:2] == first.messages
    assert second.messages[2].content == "four"
    assert "cannot be used" in second.messages[3].content


def test_the_message_of_a_failure_says_whose_it_is() -> None:
    spec = ONE + "aggregate r = g + 1\naggregate s = r + 1"
    failures = graded(spec, [{"x": None}, {"x": "a"}], {"g": "?"}).failures
    found = {(row["row"], row["grader"]): row["message"] for row in failures.to_dict("records")}
    assert found[0, "g"] == found[0, "s"] == "`x` is null or blank"
    assert found[1, "r"] == "`g` has no verdict: no JSON object with a verdict"


# Python


def raising(error: BaseException) -> Callable[..., Any]:
    def function(*_: Any, **__: Any) -> Any:
        raise error

    return function


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (3, 3),
        (True, True),
        (np.float32(0.5), 0.5),
        (np.float64(2.5), 2.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array(2.0), 2.0),
        ("kind", "kind"),
        (None, "missing_input"),
        (math.nan, "error"),
        (np.float64("nan"), "error"),
        (math.inf, "error"),
        (10**400, "error"),
        ([1], "error"),
        ({"a": 1}, "error"),
        (object(), "error"),
    ],
    ids=repr,
)
def test_what_a_function_gives_is_a_score_or_a_reason(value: Any, wanted: Any) -> None:
    result = graded("grader f = made(x)", [{"x": "a"}], functions={"made": lambda _: value})
    (found,) = column(result, "f")
    assert (found, type(found)) == (wanted, type(wanted))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("bad"),
        KeyError("k"),
        RecursionError(),
        SystemExit(3),
        MemoryError(),
        StopIteration(),
        ExceptionGroup("g", [ValueError()]),
    ],
)
def test_a_function_that_raises_fails_its_row_only(error: BaseException) -> None:
    def picky(text: str) -> float:
        return raising(error)() if text == "b" else 1.0

    rows = [{"x": "a"}, {"x": "b"}, {"x": "c"}]
    assert column(graded("grader f = picky(x)", rows, functions={"picky": picky}), "f") == [
        1.0,
        "error",
        1.0,
    ]
    spec = 'grader f -> 0.0..1.0 = python("m:f", text = x)'
    assert column(graded(spec, rows, functions={"m:f": picky}), "f") == [1.0, "error", 1.0]


def test_a_python_function_is_checked_against_its_scale_and_not_called_without_its_input() -> None:
    called: list[str] = []

    def rate(text: str) -> float:
        called.append(text)
        return len(text)

    spec = 'grader f -> 1..3 = python("m:f", text = x)'
    rows: list[dict[str, Any]] = [{"x": "ab"}, {"x": None}, {"x": "abcd"}]
    assert column(graded(spec, rows, functions={"m:f": rate}), "f") == [
        2,
        "missing_input",
        "off_scale",
    ]
    assert called == ["ab", "abcd"]


def test_nan_from_a_function_decides_nothing() -> None:
    spec = "grader f = made(x) > 3\naggregate r = 1 if made(x) < 3 else 0"
    result = graded(spec, [{"x": "a"}], functions={"made": lambda _: math.nan})
    assert (column(result, "f"), column(result, "r")) == (["error"], ["error"])


# Many rows


def outcomes(
    spec: str, rows: Sequence[Mapping[str, Any]], model: Any, concurrency: int = 4
) -> list[dict[str, Any]]:
    """The outcomes of a bare run, by grader."""
    plan, run = started(spec, model, concurrency)

    async def collected() -> list[RowResult]:
        return [result async for result in run.results(iter(rows))]

    found = asyncio.run(collected())
    assert [result.index for result in found] == list(range(len(rows)))
    return [{o.name: output_of(result, o.scoring) for o in plan.outputs} for result in found]


def started(spec: str, model: Any, concurrency: int = 4) -> tuple[Any, Run]:
    plan = make_plan(rmg.loads(spec).checked)
    evaluator = Evaluator(plan, std.implementations())
    crew = model if isinstance(model, RunModel) else RunModel(model, concurrency)
    return plan, Run(evaluator, {use: crew for step in plan.asks for use in step.models})


def answer(request: Request, seed: int) -> Any:
    """What this judge says of this question, whenever it is asked: verdicts of all kinds, poor
    replies, failures.
    """
    chance = random.Random(f"{seed} {request.question.text} {bool(request.follow_up)}")
    options: list[Any] = [1, 2, 3, 4, 5, 9, "?", CallError("down"), Reply("", refusal="no"), "", 4]
    if request.question.grader == "third":
        options = [True, False, True, False, "?", CallError("down"), 7]
    return chance.choice(options)


def shuffled(seed: int, order: int) -> ScriptedModel:
    """The same answers for one seed, in another order for each `order`."""
    chance = random.Random(order)

    async def reply(request: Request) -> Any:
        for _ in range(chance.randrange(8)):
            await asyncio.sleep(0)
        return answer(request, seed)

    return ScriptedModel(reply)


ROWS = st.lists(
    st.fixed_dictionaries({"x": st.sampled_from(["a", "b", "a b c", "a b c d", "", None, " "])}),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(0, 10**6))
def test_the_order_of_answers_changes_nothing(rows: list[dict[str, Any]], seed: int) -> None:
    first = outcomes(LAZY, rows, shuffled(seed, 1), 1)
    assert outcomes(LAZY, rows, shuffled(seed, 2), 3) == first
    assert outcomes(LAZY, rows, shuffled(seed, 3), 16) == first


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(0, 10**6))
def test_a_rows_outcome_is_its_own(rows: list[dict[str, Any]], seed: int) -> None:
    together = outcomes(LAZY, rows, shuffled(seed, 1))
    assert [outcomes(LAZY, [row], shuffled(seed, 1))[0] for row in rows] == together


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(0, 10**6))
def test_every_score_follows_from_the_scores_of_its_parts(
    rows: list[dict[str, Any]], seed: int
) -> None:
    for row in outcomes(LAZY, rows, shuffled(seed, 1)):
        third, chosen, lenient = row["third"], row["chosen"], row["lenient"]
        if isinstance(chosen, Score):
            assert isinstance(third, Score)
            assert chosen.value == row["first" if third.value else "second"].value
        else:
            assert chosen.status in {row[name].status for name in ("first", "second", "third")}
        parts = [row[name] for name in ("first", "second") if isinstance(row[name], Score)]
        assert isinstance(lenient, Score) == bool(parts)


def test_results_come_in_the_order_of_the_rows_beyond_the_window() -> None:
    rows = [{"x": str(n)} for n in range(1500)]
    chance = random.Random(5)

    async def reply(request: Request) -> int:
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        return 1 + int(request.question.material["x"]) % 5

    found = outcomes(ONE, rows, ScriptedModel(reply), 50)
    assert [row["g"].value for row in found] == [1 + n % 5 for n in range(1500)]


def test_five_thousand_rows_of_code_need_no_model() -> None:
    result = rmg.grade("grader n = words(x)", [{"x": "a " * (n % 7)} for n in range(5000)])
    assert column(result, "n") == [n % 7 for n in range(5000)]
    assert result.usage.calls == 0


class Counting:
    """A model that counts who is inside; it lets nobody go before the loop has had its say."""

    name, note = "counting", ""

    def __init__(self) -> None:
        self.inside = self.peak = self.calls = 0

    async def complete(self, _: Request) -> Reply:
        self.inside += 1
        self.calls += 1
        self.peak = max(self.peak, self.inside)
        for _turn in range(3):
            await asyncio.sleep(0)
        self.inside -= 1
        return Reply('{"verdict": 4}')

    async def close(self) -> None: ...


@pytest.mark.parametrize("most", [1, 3, 20])
def test_no_more_calls_are_in_flight_than_allowed(most: int) -> None:
    model = Counting()
    rmg.grade(ONE, [{"x": str(n)} for n in range(100)], model=model, concurrency=most)
    assert (model.calls, model.peak) == (100, most)


def test_rows_are_read_no_further_than_can_be_seen_while_the_first_one_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(executor, "_SIGHT", 10)
    read = 0

    def rows() -> Iterator[dict[str, str]]:
        nonlocal read
        for read in range(1, 101):
            yield {"x": str(read)}

    async def watched() -> tuple[int, int]:
        released, seen = asyncio.Event(), asyncio.Event()

        async def reply(request: Request) -> int:
            if request.question.material["x"] == "1":
                await released.wait()
            if request.question.material["x"] == "10":
                seen.set()
            return 4

        _, run = started(ONE, ScriptedModel(reply))
        results = run.results(rows())
        first = asyncio.ensure_future(anext(results))
        await seen.wait()
        while_waiting = read
        released.set()
        return while_waiting, len([await first, *[result async for result in results]])

    assert asyncio.run(watched()) == (10, 100)


def test_a_row_that_takes_long_keeps_no_other_from_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "_WINDOW", 10)
    last_asked = asyncio.Event()

    async def reply(request: Request) -> int:
        if request.row == 99:
            last_asked.set()
        if request.row == 0:
            await last_asked.wait()
        return 4

    found = outcomes(ONE, [{"x": str(n)} for n in range(100)], ScriptedModel(reply))
    assert [row["g"].value for row in found] == [4] * 100


def test_rows_of_one_grader_are_asked_together() -> None:
    spec = 'grader a -> 1..5 = "A {{ x }}"\ngrader b -> 1..5 = "B {{ x }}"\ngrader c -> 1..5 = "C {{ x }}"\n'
    spec += "aggregate r = a if b >= 3 else c"
    model = ScriptedModel({"a": 4, "b": 4, "c": 4})
    outcomes(spec, [{"x": str(n)} for n in range(150)], model, 1)
    asked = [(request.question.grader, request.row) for request in model.requests]
    blocks = [range(64), range(64, 128), range(128, 150)]
    assert asked == [(grader, row) for rows in blocks for grader in "ba" for row in rows]


def test_a_table_that_breaks_ends_the_run_with_its_own_error() -> None:
    def rows() -> Iterator[dict[str, str]]:
        yield {"x": "a"}
        raise rmg.DataError("row 2 is broken")

    _, run = started(ONE, ScriptedModel({"g": 4}))

    async def collected() -> list[Any]:
        return [result async for result in run.results(rows())]

    with pytest.raises(rmg.DataError, match="row 2 is broken"):
        asyncio.run(collected())


def test_a_worker_that_breaks_ends_the_run_instead_of_hanging_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, run = started(ONE, ScriptedModel({"g": 4}))
    advance = Evaluator.advance

    def broken(self: Evaluator, state: Any) -> Any:
        if state.outcomes:
            raise AssertionError("a bug in the engine")
        return advance(self, state)

    monkeypatch.setattr(Evaluator, "advance", broken)

    async def collected() -> list[Any]:
        return [result async for result in run.results(iter([{"x": "a"}]))]

    with pytest.raises(AssertionError, match="a bug in the engine"):
        asyncio.run(collected())


def test_equal_replies_give_equal_cells() -> None:
    rows = [{"x": f"{n} {'word ' * (n % 4)}"} for n in range(40)]
    first, second = (rmg.grade(LAZY, rows, model=shuffled(7, order)) for order in (1, 2))
    assert [*first.rows()] == [*second.rows()]
    assert first.summary_rows == second.summary_rows
    assert [str(verdict) for verdict in first.gates] == [str(verdict) for verdict in second.gates]
    assert first.failures.to_dict() == second.failures.to_dict()


# The end before the end


STOPPED = """
grader g -> 1..5 = "Rate {{ x }}"
grader c = n + 1
aggregate r = g if scored(g) else 1
aggregate d:
    score = min(g, n)
    missing = drop
"""


def test_a_stopped_run_gives_every_row_and_nothing_follows_from_what_was_not_asked() -> None:
    plan, run = started(STOPPED, ScriptedModel(lambda request: _stop_at(run, request)), 1)
    rows = [{"x": str(n), "n": 2} for n in range(30)]

    async def collected() -> list[RowResult]:
        return [result async for result in run.results(iter(rows))]

    found = asyncio.run(collected())
    by_name = [{o.name: output_of(result, o.scoring) for o in plan.outputs} for result in found]
    scored = [isinstance(row["g"], Score) for row in by_name]
    assert len(found) == 30
    assert scored == sorted(scored, reverse=True)
    assert 4 <= sum(scored) < 30
    for row in by_name:
        assert isinstance(row["c"], Score)
        assert row["c"].value == 3
        wanted = (4, 2) if isinstance(row["g"], Score) else ("cancelled", "cancelled")
        assert (
            tuple(getattr(row[name], "value", str(row[name].status)) for name in ("r", "d"))
            == wanted
        )
    assert run.tally.stop_reason == "enough"


def _stop_at(run: Run, request: Request) -> int:
    if request.row == 4:
        run.stop(Status.CANCELLED, "enough")
    return 4


def test_a_call_that_never_ends_does_not_keep_a_stopped_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(executor, "GRACE_SECONDS", 0.01)

    async def reply(request: Request) -> int:
        if request.row == 1:
            run.stop(Status.OVER_BUDGET, "the budget is spent")
            await asyncio.Event().wait()
        return 4

    _, run = started(ONE, ScriptedModel(reply), 1)

    async def collected() -> list[RowResult]:
        return [result async for result in run.results(iter([{"x": str(n)} for n in range(5)]))]

    statuses = Counter(
        str(outcome.status)
        for result in asyncio.run(collected())
        for outcome in result.outcomes.values()
    )
    assert statuses["over_budget"] >= 3
    assert statuses["ok"] + statuses["over_budget"] == 5


class Slow:
    """A judge whose calls on the first row are answered, and all others when `go` is set."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked = asyncio.Semaphore(0)
        self.answered = 0

    async def __call__(self, request: Request) -> int:
        self.asked.release()
        if request.row:
            await self.go.wait()
        self.answered += 1
        return 4


@pytest.mark.parametrize("answered", [True, False])
def test_a_hurried_run_is_over_while_calls_are_in_flight(answered: bool) -> None:
    async def main() -> tuple[list[list[str]], int]:
        judge = Slow()
        brake = Cancellation()
        limited = ConcurrencyLimitedModel(ScriptedModel(judge), 2, CallLimiter(cancellation=brake))
        plan, run = started(
            ONE + "grader brief = words(x) <= 2", RunModel(limited, 2, brake.cancel)
        )
        collecting = asyncio.create_task(_collected(run, [{"x": str(n)} for n in range(3_000)]))
        for _ in range(3):
            await judge.asked.acquire()
        run.interrupt(hurried=True)
        found = await collecting
        assert judge.answered == 1
        if answered:
            judge.go.set()
        await run.wait_for_unfinished(60 if answered else 0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return [
            [str(output_of(row, output.scoring).status) for row in found] for output in plan.outputs
        ], judge.answered

    (judged, brief), count = asyncio.run(main())
    assert judged == ["ok"] + ["cancelled"] * 2_999
    assert count == (3 if answered else 1)  # two were in flight, and nothing new was asked
    seen = brief.count("ok")  # a row that nobody has come to yet is not even looked at
    assert brief == ["ok"] * seen + ["cancelled"] * (3_000 - seen)
    assert seen <= 1_000


async def _collected(run: Run, rows: list[dict[str, Any]]) -> list[RowResult]:
    return [result async for result in run.results(iter(rows))]


def test_a_fatal_error_stops_the_run_and_keeps_the_finished_rows() -> None:
    def reply(request: Request) -> int:
        if request.row == 5:
            raise CallError("no such key", fatal=True, status_code=401)
        return 4

    result = rmg.grade(
        ONE, [{"x": str(n)} for n in range(200)], model=ScriptedModel(reply), concurrency=1
    )
    found = column(result, "g")
    assert len(found) == 200
    assert found[5] == "error"
    assert found[:5] == [4] * 5
    assert found[-1] == "cancelled"
    assert result.stopped == "no such key"
    assert result.usage.calls < 20


# The bridge


def test_the_bridge_starts_anew_where_its_loop_has_died() -> None:
    own = Bridge()

    async def three() -> int:
        return 3

    for _ in range(2):
        assert own.run(three()) == 3
        loop, thread = own.loop(), own._thread
        assert thread is not None
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
    loop.close()


def test_the_bridge_hands_errors_on_and_lets_the_first_interrupt_end_the_work() -> None:
    async def failing() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        bridge().run(failing())
    ended = asyncio.Event()
    ticks = iter([KeyboardInterrupt])

    def interrupted() -> None:
        for error in ticks:
            raise error

    async def waiting() -> str:
        await ended.wait()
        return "what is finished"

    assert (
        bridge().run(waiting(), on_tick=interrupted, on_interrupt=ended.set) == "what is finished"
    )


# Gates

GATED = 'grader g -> 1..5 = "Rate {{ x }}"\ngrader t -> bool = "True? {{ x }}"\n'


def gate(condition: str, verdicts: Sequence[Any], extra: str = "", **more: Sequence[Any]) -> Any:
    """The verdict of one gate over rows on which `g` says these verdicts;
    None is a row without input.
    """
    rows = [{"x": None if v is None else f"row {n}.", "v": v} for n, v in enumerate(verdicts)]
    rows = [
        {**row, **{name: values[n] for name, values in more.items()}} for n, row in enumerate(rows)
    ]
    replies = {row["x"]: row["v"] for row in rows if row["x"]}
    spec = ONE + extra + f"require {condition}"
    if not rows:
        return rmg.grade(spec, rmg_empty(), model=ScriptedModel({})).gates[0]
    return graded(spec, rows, replies).gates[0]


def rmg_empty() -> Any:
    import pandas as pd

    return pd.DataFrame({"x": pd.Series([], dtype="string"), "c": pd.Series([], dtype="float")})


@pytest.mark.parametrize(
    ("condition", "verdicts", "holds"),
    [
        ("mean(g) >= 3", [2, 4], True),
        ("mean(g) > 3", [2, 4], False),
        ("median(g) == 2", [2, 2, 5], True),
        ("share(g >= 3) >= 0.5", [2, 4], True),
        ("share(g >= 3) > 0.5", [2, 4], False),
        ("count(g >= 3) == 1", [2, 4], True),
        ("count(g >= 3) > 0 and mean(g) < 2", [2, 4], False),
        ("mean(g) > 4 or median(g) >= 3", [2, 4], True),
        ("not mean(g) > 4", [2, 4], True),
        ("2 < mean(g) <= 3", [2, 4], True),
        ("mean(g) - median(g) < 1", [1, 1, 5], False),
        ("mean(g) / count(g > 5) > 0", [2, 4], False),
        ("mean(g) >= 3", [], False),
        ("count(g >= 3) == 0", [], False),
        ("unscored(g) <= 1", [], False),
        ("mean(g) >= 1", [None, None], False),
        ("unscored(g) == 0", [3, 4], True),
        ("unscored(g) <= 0.5", [3, None], True),
        ("unscored(g) < 0.5", [3, None], False),
        ("mean(g) >= 3", [4] * 19 + [None], True),
        ("mean(g) >= 3", [4] * 18 + [None], False),
        ("mean(g) >= 3", [4] * 19 + ["?"], True),
        ("mean(g) >= 3", [4] * 18 + [9], False),
        ("mean(g) >= 3 and unscored(g) < 0.6", [4, None], True),
    ],
)
def test_a_gate_holds_where_its_condition_does_and_enough_was_seen(
    condition: str, verdicts: list[Any], holds: bool
) -> None:
    assert gate(condition, verdicts).holds is holds


def test_a_bound_on_what_is_unscored_holds_for_its_own_grader_and_for_all_gates() -> None:
    extra = "require unscored(g) <= 0.5\naggregate r = g + 1\n"
    rows: list[dict[str, Any]] = [{"x": "row 1"}, {"x": None}]
    found = graded(
        ONE + extra + "require mean(g) >= 3\nrequire mean(r) >= 3", rows, {"row 1": 4}
    ).gates
    assert [verdict.holds for verdict in found] == [True, True, False]
    assert "1 of the 2 rows it needs have no score" in found[2].why


def test_gaps_in_a_column_are_left_out_and_mistakes_in_it_are_not() -> None:
    assert gate('mean(column("c")) == 2', [4, 4, 4], c=[1, None, 3]).holds
    assert gate('mean(column("c")) == 2', [4, 4, 4], c=[1, None, 3]).values == {"mean": 2}
    wrong = gate('mean(column("c")) >= 1', [4, 4, 4], c=[1, "two", 3])
    assert (wrong.holds, "1 of the 3 rows" in wrong.why) == (False, True)
    assert not gate('share(column("c")) >= 0', [4, 4], c=[True, 1]).holds
    assert not gate("mean(1 / c) >= 0", [4, 4], c=[1, 0]).holds
    assert not gate("share(c > 1) >= 0", [4, 4], c=["2", 2]).holds
    assert not gate('mean(column("c")) >= 0', [4, 4], c=[None, None]).holds


def test_a_row_that_did_not_need_a_score_is_left_out() -> None:
    spec = ONE + "grader brief = words(x) <= 1\naggregate r = g if brief else 1\n"
    rows = [{"x": "row"}, {"x": "a b"}, {"x": "c d"}]
    conditions = [
        "mean(g) == 4",
        "count(g >= 1) == 1",
        "unscored(g) == 0",
        "share(scored(g)) == 1",
        "mean(r) == 2",
    ]
    found = graded(spec + "".join(f"require {c}\n" for c in conditions), rows, {"g": 4})
    assert [verdict.holds for verdict in found.gates] == [True] * 5
    assert found.summary_rows[0]["skipped"] == 2


def test_scored_in_a_gate_tells_failures_from_scores() -> None:
    assert gate("share(scored(g)) == 0.5", [4, "?"]).holds


def test_a_function_that_raises_in_a_gate_is_a_row_without_a_score() -> None:
    rows = [{"x": "a"}, {"x": "b"}]
    result = graded(
        "require mean(made(x)) >= 1", rows, functions={"made": raising(ValueError("no"))}
    )
    (verdict,) = result.gates
    assert (verdict.holds, verdict.why.split(", ")[0]) == (
        False,
        "no row has a value for it; 2 of the 2 rows it needs have no score",
    )


def test_a_gate_shows_what_it_saw() -> None:
    assert (
        str(gate("mean(g) >= 3", [2, 4]))
        == "require mean(g) >= 3: holds (mean = 3, 95 % 1.04 – 4.96, n = 2)"
    )
    assert (
        str(gate("mean(g) > 3", [2, 4]))
        == "require mean(g) > 3: FAILS (mean = 3, 95 % 1.04 – 4.96, n = 2)"
    )
    assert gate("mean(g) > 3 and mean(g >= 3) > 2", [2, 4]).values == {"mean 1": 3, "mean 2": 0.5}
    assert "no row has a value" in str(gate("mean(g) > 3", [None]))


def test_gates_take_huge_numbers() -> None:
    assert gate("mean(c * 1) > 1", [4, 4], c=[1e308, 1.7e308]).holds
    plan = make_plan(rmg.loads(ONE + "require mean(g) > 1").checked)
    gates = RequirementChecker(plan, Evaluator(plan, {}), estimate_of)
    gates.add(RowResult(0, {}, {plan.asks[0].number: Score(5)}))
    assert gates.requirement_results()[0].holds
