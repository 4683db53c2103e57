"""How many calls at once: the bookkeeping by tables and laws, without real time; gates and holds; a
fault drill.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import Asked, Loopback, Told, chat, error, verdict

from rmg_dsl.config import Settings
from rmg_dsl.errors import CallError
from rmg_dsl.messages import Message, Model, Question, Reply, Request, Usage
from rmg_dsl.models import (
    AdaptiveLimit,
    CallCancelled,
    CallLimiter,
    Cancellation,
    ChatModel,
    ConcurrencyLimitedModel,
    Endpoint,
    Endpoints,
    ModelSpec,
    RateLimit,
    RateLimitedModel,
    RetryingModel,
    ScriptedModel,
    open_model,
)
from rmg_dsl.models.adaptive_limit import MAX_CONCURRENCY, START_CONCURRENCY
from rmg_dsl.models.endpoint_hold import LONGEST_PAUSE, EndpointHold
from rmg_dsl.models.http_response import rate_limit_pause_of, retry_after_of
from rmg_dsl.scales import Whole

ALLOWED = Settings.of({"HOME": "/", "RMG_ALLOW_HOSTS": "h,other"})


def asking(text: str = "How good?") -> Request:
    return Request(Question("good", Whole(1, 5), (Message("user", text),)))


# The bookkeeping


def window(throttle: AdaptiveLimit, seconds: float = 0.2, windows: int = 1) -> int:
    """Windows of successes at full use; returns the limit after them."""
    for _ in range(windows):
        for ticket in [throttle.begin_call(0.0) for _ in range(throttle.limit)]:
            throttle.record_success(ticket, seconds, throttle.limit)
    return throttle.limit


def test_it_starts_low_and_doubles_while_latency_holds() -> None:
    throttle = AdaptiveLimit()
    assert [throttle.limit] + [window(throttle) for _ in range(7)] == [
        20,
        40,
        80,
        160,
        320,
        512,
        512,
        512,
    ]


def test_it_stands_while_latency_does_not_hold_and_goes_on_in_small_steps() -> None:
    throttle = AdaptiveLimit()
    assert [window(throttle, seconds) for seconds in (0.2, 0.2, 0.5, 0.5, 0.2, 0.2)] == [
        40,
        80,
        80,
        80,
        85,
        90,
    ]


def test_a_latency_that_stays_is_taken_for_what_it_is() -> None:
    throttle = AdaptiveLimit()
    window(throttle, 0.2)
    limits = [window(throttle, 0.4) for _ in range(40)]
    assert limits[0] == 40 < limits[-1]


def test_one_slow_call_is_no_slow_endpoint() -> None:
    throttle = AdaptiveLimit()
    for number in range(40):
        throttle.record_success(
            throttle.begin_call(0.0), 60.0 if number % 20 == 3 else 0.2, throttle.limit
        )
    assert throttle.limit == 40


def test_what_was_not_at_full_use_teaches_nothing() -> None:
    throttle = AdaptiveLimit()
    for _ in range(100):
        throttle.record_success(throttle.begin_call(0.0), 0.2, 5)
    assert throttle.limit == START_CONCURRENCY


def test_an_episode_of_refusals_cuts_once_and_it_recovers() -> None:
    throttle = AdaptiveLimit(100, 100)
    tickets = [throttle.begin_call(0.0) for _ in range(100)]
    for ticket in tickets:
        throttle.record_refusal(ticket, 1.0)
    assert throttle.limit == 70
    throttle.record_refusal(throttle.begin_call(2.0), 2.0)
    assert throttle.limit == 49
    for ticket in tickets[:50]:
        throttle.record_success(ticket, 0.2, throttle.limit)
    assert throttle.limit == 49
    recovered = [window(throttle) for _ in range(20)]
    assert recovered[:3] == [52, 55, 58]
    assert recovered[-1] == 100


def test_refusals_at_random_never_starve_a_run() -> None:
    chances = random.Random(0)
    throttle = AdaptiveLimit(32, 32)
    for _ in range(200):
        for ticket in [throttle.begin_call(0.0) for _ in range(throttle.limit)]:
            if chances.random() < 0.2:
                throttle.record_refusal(ticket, 0.0)
            else:
                throttle.record_success(ticket, 0.1, throttle.limit)
    assert throttle.limit >= 16


def test_where_most_is_refused_it_goes_down_to_one() -> None:
    throttle = AdaptiveLimit()
    for _ in range(20):
        throttle.record_refusal(throttle.begin_call(0.0), 0.0)
    assert throttle.limit == 1


def test_a_refusal_with_a_time_holds_all_but_one() -> None:
    throttle = AdaptiveLimit()
    throttle.record_refusal(throttle.begin_call(10.0), 10.0, wait=5.0)
    assert throttle.admits(0, 11.0)
    probe = throttle.begin_call(11.0)
    assert (throttle.admits(1, 11.0), throttle.pause_left(11.0)) == (False, 4.0)
    throttle.record_refusal(probe, 12.0, wait=5.0)
    assert (throttle.admits(0, 14.9), throttle.admits(0, 17.0)) == (False, True)


def test_a_probe_that_is_answered_ends_the_hold() -> None:
    throttle = AdaptiveLimit()
    throttle.record_refusal(throttle.begin_call(10.0), 10.0, wait=50.0)
    throttle.record_success(throttle.begin_call(10.1), 0.2, 1)
    assert throttle.admits(5, 10.3)


def test_what_is_announced_holds_without_a_probe() -> None:
    throttle = AdaptiveLimit()
    throttle.record_pause(10.0, 6.0)
    assert [throttle.admits(0, now) for now in (10.0, 15.9, 16.0)] == [False, False, True]


def test_nobody_is_held_for_longer_than_anyone_waits() -> None:
    throttle = AdaptiveLimit()
    throttle.record_pause(0.0, LONGEST_PAUSE + 1)
    throttle.record_refusal(throttle.begin_call(0.0), 0.0, wait=3600.0)
    assert throttle.pause_left(0.0) == 0.0


class MinuteQuota:
    """Plays an endpoint with so many calls a minute against a hold, in virtual time.

    Twenty calls start at once; after them one call is in flight at a time and takes 0.2 s.
    """

    def __init__(self, quota: int, *, says: bool) -> None:
        self.quota, self.says = quota, says
        self.hold = EndpointHold()
        self.now, self.window_start, self.used = 0.0, 0.0, 0
        self.accepted = self.refused = self.tickets = 0

    def begin(self) -> int:
        self.tickets += 1
        self.hold.begin(self.tickets, self.now)
        return self.tickets

    def answer(self, ticket: int) -> None:
        if self.now >= self.window_start + 60:
            self.window_start, self.used = self.now, 0
        if self.used < self.quota:
            self.used += 1
            self.accepted += 1
            self.hold.record_success(ticket)
            return
        self.refused += 1
        wait = self.window_start + 60 - self.now if self.says else None
        assert self.hold.record_refusal(ticket, self.now, wait, is_quota=True) or not self.says

    def play(self, rows: int) -> None:
        for ticket in [self.begin() for _ in range(20)]:
            self.answer(ticket)
        while self.accepted < rows:
            while not self.hold.admits(self.now):
                self.now += self.hold.seconds_left(self.now) + 1e-6
            ticket = self.begin()
            self.now += 0.2
            self.answer(ticket)


@pytest.mark.parametrize(("says", "most"), [(True, 52), (False, 56)])
def test_a_quota_of_a_minute_costs_few_requests(says: bool, most: int) -> None:
    endpoint = MinuteQuota(15, says=says)
    endpoint.play(40)
    assert endpoint.accepted + endpoint.refused <= most
    assert endpoint.now < 240


def test_a_quota_that_says_nothing_is_probed_at_growing_intervals() -> None:
    hold, now, waits = EndpointHold(), 0.0, []
    for ticket in range(1, 9):
        hold.begin(ticket, now)
        assert hold.record_refusal(ticket, now, None, is_quota=True)
        waits.append(hold.seconds_left(now))
        now += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_only_one_call_probes_and_whatever_its_end_another_may_follow() -> None:
    hold = EndpointHold()
    hold.begin(1, 0.0)
    hold.record_refusal(1, 0.0, None, is_quota=True)
    assert [hold.admits(now) for now in (0.5, 1.0)] == [False, True]
    hold.begin(2, 1.0)
    assert (hold.admits(99.0), hold.seconds_left(99.0)) == (False, 0.0)
    hold.record_other_end(2, 5.0)
    assert [hold.admits(now) for now in (5.5, 6.0)] == [False, True]


def test_a_refusal_by_chance_holds_nobody_where_many_were_accepted() -> None:
    hold = EndpointHold()
    for ticket in range(1, 60):
        hold.begin(ticket, 0.0)
        hold.record_success(ticket)
    for ticket, is_held in ((60, False), (61, False), (62, True)):
        hold.begin(ticket, 1.0)
        assert hold.record_refusal(ticket, 1.0, None, is_quota=True) == is_held


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "good", "bad", "announce"]), st.integers(0, 9), st.floats(0, 200)
    ),
    max_size=200,
)


@given(EVENTS, st.integers(1, 600), st.integers(0, 600))
def test_whatever_happens_the_limit_is_within_bounds_and_someone_gets_in(
    events: list[tuple[str, int, float]], start: int, more: int
) -> None:
    throttle, now = AdaptiveLimit(start, start + more), 0.0
    open_tickets: list[Any] = []
    for what, which, number in events:
        now += number / 100
        if what == "begin" and throttle.admits(len(open_tickets), now):
            open_tickets.append(throttle.begin_call(now))
        elif what == "announce":
            throttle.record_pause(now, number)
        elif open_tickets and what in ("good", "bad"):
            busy, ticket = len(open_tickets), open_tickets.pop(which % len(open_tickets))
            throttle.record_success(
                ticket, number, busy
            ) if what == "good" else throttle.record_refusal(ticket, now, number or None)
        assert 1 <= throttle.limit <= start + more
        assert len(open_tickets) < throttle.limit or not throttle.admits(len(open_tickets), now)
        assert throttle.pause_left(now) <= LONGEST_PAUSE
        assert throttle.admits(0, now + throttle.pause_left(now) + 1e-6)


# What a provider says it has left


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "6s"}, 0.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6s"}, 6.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "120ms"}, 0.12),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1h2m3.5s"}, 3723.5),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2.5"}, 2.5),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "soon"}, 0.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6s or so"}, 0.0),
        ({"x-ratelimit-remaining-requests": "0"}, 0.0),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "6m0s",
            },
            360.0,
        ),
    ],
)
def test_what_is_left_is_read(headers: dict[str, str], seconds: float) -> None:
    assert rate_limit_pause_of(headers) == seconds
    assert retry_after_of(headers) == (seconds or None)
    assert retry_after_of({**headers, "retry-after": "1"}) == 1.0


# The gate


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Gated:
    """A model whose calls stay open until they are let go, each with its outcome."""

    name, note = "gated", "a note"

    def __init__(self) -> None:
        self.open: list[asyncio.Future[CallError | None]] = []
        self.begun = asyncio.Event()

    async def complete(self, request: Request) -> Reply:  # noqa: ARG002
        future: asyncio.Future[CallError | None] = asyncio.get_running_loop().create_future()
        self.open.append(future)
        self.begun.set()
        found = await future
        if found is not None:
            raise found
        return Reply("4")

    async def close(self) -> None:
        return None


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def crowd(model: Model, number: int) -> list[asyncio.Task[Reply]]:
    return [asyncio.create_task(model.complete(asking())) for _ in range(number)]


async def let_go(gated: Gated, outcomes: Sequence[CallError | None]) -> None:
    now, gated.open = gated.open[: len(outcomes)], gated.open[len(outcomes) :]
    for future, outcome in zip(now, outcomes, strict=True):
        future.set_result(outcome)
    await turns()


@pytest.mark.parametrize(
    ("wishes", "limit"),
    [([None], 20), ([256], 256), ([3], 3), ([4, 64], 64), ([None, 4], 20), ([None, 99], 99)],
)
def test_the_models_of_one_endpoint_share_a_gate(wishes: list[int | None], limit: int) -> None:
    endpoints = Endpoints()
    for wish in wishes:
        settings: dict[str, Any] = {"base_url": "http://h/v1"} | (
            {"concurrency": wish} if wish else {}
        )
        open_model(ModelSpec("vllm", "tiny", settings), ALLOWED, endpoints)
    assert endpoints.endpoint_for("http://h/v1").limiter.limit == limit
    assert endpoints.endpoint_for("http://other/v1").limiter.limit == START_CONCURRENCY


def test_a_gate_grows_while_it_is_full() -> None:
    async def main() -> list[int]:
        gated = Gated()
        model = ConcurrencyLimitedModel(gated)
        tasks = crowd(model, 200)
        seen = []
        for _ in range(3):
            await turns(60)
            seen.append(len(gated.open))
            await let_go(gated, [None] * len(gated.open))
        await turns(60)
        await let_go(gated, [None] * len(gated.open))
        await asyncio.gather(*tasks)
        return seen

    assert asyncio.run(main()) == [20, 40, 80]


def test_a_stated_number_is_used_from_the_start_and_never_passed() -> None:
    async def main() -> list[int]:
        gated = Gated()
        tasks = crowd(ConcurrencyLimitedModel(gated, 50), 150)
        seen = []
        for _ in range(3):
            await turns(60)
            seen.append(len(gated.open))
            await let_go(gated, [None] * len(gated.open))
        await asyncio.gather(*tasks)
        return seen

    assert asyncio.run(main()) == [50, 50, 50]


@pytest.mark.parametrize(("status", "limit"), [(429, 14), (503, 14), (529, 14), (500, 20)])
def test_a_refusal_for_the_load_cuts_the_limit(status: int, limit: int) -> None:
    async def main() -> int:
        limiter = CallLimiter()
        refusal = CallError("no", status_code=status, retryable=True)
        model = ConcurrencyLimitedModel(ScriptedModel({"good": refusal}), None, limiter)
        with pytest.raises(CallError):
            await model.complete(asking())
        return limiter.limit

    assert asyncio.run(main()) == limit


def test_each_model_keeps_its_own_number_at_a_shared_gate() -> None:
    async def main() -> tuple[int, int]:
        one, other, gate = Gated(), Gated(), CallLimiter()
        tasks = crowd(ConcurrencyLimitedModel(one, 2, gate), 9) + crowd(
            ConcurrencyLimitedModel(other, 5, gate), 9
        )
        await turns()
        peaks = len(one.open), len(other.open)
        while one.open or other.open:
            await let_go(one, [None] * len(one.open))
            await let_go(other, [None] * len(other.open))
        await asyncio.gather(*tasks)
        return peaks

    assert asyncio.run(main()) == (2, 3)


@given(st.lists(st.integers(0, 9), max_size=10), st.integers(1, 4))
def test_who_is_cancelled_takes_no_slot_along(cancelled: list[int], limit: int) -> None:
    async def main() -> int:
        gated = Gated()
        gate = CallLimiter()
        tasks = crowd(ConcurrencyLimitedModel(gated, limit, gate), 10)
        await asyncio.sleep(0)
        for number in cancelled:
            tasks[number].cancel()
            await asyncio.sleep(0)
        while not all(task.done() for task in tasks):
            gated.open = [future for future in gated.open if not future.done()]
            await let_go(gated, [None] * len(gated.open))
        later = crowd(ConcurrencyLimitedModel(gated, None, gate), 99)
        await turns(200)
        free = len([future for future in gated.open if not future.done()])
        for task in later:
            task.cancel()
        await asyncio.gather(*tasks, *later, return_exceptions=True)
        return free

    assert asyncio.run(main()) >= START_CONCURRENCY


def test_who_is_cancelled_and_passed_over_in_one_turn_is_no_error() -> None:
    async def main() -> list[bool]:
        gated = Gated()
        tasks = crowd(ConcurrencyLimitedModel(gated, 1), 3)
        await turns()
        gated.open.pop().set_result(None)
        tasks[1].cancel()  # its place is passed over before it has had its turn
        await turns()
        await let_go(gated, [None])
        await asyncio.gather(*tasks, return_exceptions=True)
        return [task.cancelled() for task in tasks]

    assert asyncio.run(main()) == [False, True, False]


def test_a_hold_lets_one_in_and_then_the_rest() -> None:
    busy = CallError("busy", status_code=429, retryable=True, retry_after=30.0)

    async def main() -> list[int]:
        gated, clock = Gated(), Clock()
        tasks = crowd(ConcurrencyLimitedModel(gated, 4, clock=clock), 10)
        await turns()
        seen = [len(gated.open)]
        await let_go(gated, [busy] * 4)
        seen.append(len(gated.open))
        await let_go(gated, [None])
        seen.append(len(gated.open))
        while gated.open:
            await let_go(gated, [None] * len(gated.open))
        await asyncio.gather(*tasks, return_exceptions=True)
        return seen

    assert asyncio.run(main()) == [4, 1, 2]


def test_a_hold_that_ends_by_the_clock_is_noticed() -> None:
    async def main() -> str:
        gate, gated = CallLimiter(), Gated()
        gate.pause(0.05)
        task = asyncio.create_task(ConcurrencyLimitedModel(gated, 1, gate).complete(asking()))
        await turns()
        assert not gated.open
        await gated.begun.wait()
        await let_go(gated, [None])
        return (await task).text

    assert asyncio.run(main()) == "4"


def test_a_reply_that_announces_an_empty_account_holds_the_next() -> None:
    told = chat('{"verdict": 4}')
    empty = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "90s"}

    async def main(url: str) -> bool:
        endpoint = Endpoint(url)
        await ChatModel(endpoint, "tiny").complete(asking())
        waiting = asyncio.create_task(endpoint.limiter.acquire())
        await turns()
        held = not waiting.done()
        waiting.cancel()
        await endpoint.close()
        return held

    with Loopback(Told(200, told.body, empty)) as server:
        assert asyncio.run(main(server.url))


# Paces


class Slept:
    """A sleep that takes no time and notes how long it was to be."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def waits(*limits: tuple[float | None, float | None], asked: str) -> list[float]:
    """How long calls wait that are asked at one moment;
    `asked` names their models (a, b …), one after the other.
    """
    pace, slept = RateLimit(), Slept()
    judge = ScriptedModel(lambda _: Reply("4", usage=Usage(calls=1, tokens_in=100)))
    models = [
        RateLimitedModel(judge, rpm, tpm, pace, clock=lambda: 100.0, sleep=slept)
        for rpm, tpm in limits
    ]

    async def main() -> None:
        for name in asked:
            await models["abc".index(name)].complete(asking("x" * 400))

    asyncio.run(main())
    return slept.seconds


@pytest.mark.parametrize(
    ("limits", "asked", "expected"),
    [
        ([(60, None)], "aaa", [1, 2]),
        ([(60, None), (60, None)], "abab", [1, 2, 3]),
        ([(60, None), (None, None)], "abba", [1, 2, 3]),
        ([(60, None), (30, None)], "abbab", [1, 3, 4, 5]),
        ([(None, 6000), (None, 6000)], "aba", [1, 2]),
        ([(600, 6000), (None, None)], "ab", [1]),
        ([(None, None), (None, None)], "abab", []),
    ],
)
def test_the_models_of_one_endpoint_share_a_pace(
    limits: list[tuple[float | None, float | None]], asked: str, expected: list[float]
) -> None:
    assert waits(*limits, asked=asked) == pytest.approx(expected, rel=0.2)


def test_opened_models_know_the_pace_of_their_endpoint() -> None:
    endpoints = Endpoints()
    for name, more in (("a", {"rpm": 60}), ("b", {})):
        open_model(ModelSpec("vllm", name, {"base_url": "http://h/v1", **more}), ALLOWED, endpoints)
    assert endpoints.endpoint_for("http://h/v1").rate_limit.is_set
    assert not endpoints.endpoint_for("http://other/v1").rate_limit.is_set


def test_who_waits_for_the_pace_holds_no_slot() -> None:
    async def main() -> int:
        brake = Cancellation()
        gate = CallLimiter(cancellation=brake)
        model = RateLimitedModel(
            ConcurrencyLimitedModel(ScriptedModel({"good": 4}), 1, gate), 1, sleep=brake.sleep
        )
        await model.complete(asking())
        waiting = asyncio.create_task(model.complete(asking()))
        await turns()
        ticket = await gate.acquire()
        brake.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return ticket

    assert asyncio.run(main()) == 2


# The brake


async def attempts_of(task: asyncio.Task[Reply]) -> int:
    """How many attempts a cancelled call had made."""
    try:
        await task
    except CallCancelled as error:
        return error.attempts
    except asyncio.CancelledError:
        return 0
    raise AssertionError("it was not cancelled")


def test_a_pulled_brake_ends_whoever_waits_and_lets_go_on_who_is_under_way() -> None:
    async def main() -> tuple[list[int], list[str]]:
        gated, brake = Gated(), Cancellation()
        gate = CallLimiter(cancellation=brake)
        limited = ConcurrencyLimitedModel(gated, 2, gate)
        tried = crowd(RetryingModel(limited, sleep=brake.sleep), 1)
        await turns()
        await let_go(gated, [CallError("busy", status_code=503, retryable=True)])
        under_way = crowd(limited, 2)
        await turns()
        paced = RateLimitedModel(ScriptedModel({"good": 4}), 1, sleep=brake.sleep)
        await paced.complete(asking())
        waiting = crowd(ConcurrencyLimitedModel(gated, 2, gate), 2) + crowd(paced, 1)
        await turns()
        brake.cancel()
        late = crowd(ConcurrencyLimitedModel(gated, 2, gate), 1)
        attempts = [await attempts_of(task) for task in tried + waiting + late]
        await let_go(gated, [None, None])
        return attempts, [(await task).text for task in under_way]

    assert asyncio.run(main()) == ([1, 0, 0, 0, 0], ["4", "4"])


def test_a_call_that_is_cut_off_holds_the_number_of_its_attempts() -> None:
    async def main(server: Loopback) -> int:
        model = open_model(ModelSpec("vllm", "tiny", {"base_url": server.url}), Settings())
        task = asyncio.create_task(model.complete(asking()))
        await asyncio.to_thread(server.wait_for, 3)
        task.cancel()
        attempts = await attempts_of(task)
        await model.close()
        return attempts

    rejected = error(400, "'response_format' is not supported")
    with Loopback(
        [rejected, error(500, "oops", headers={"retry-after": "0.01"}), Told(fault="hang")]
    ) as server:
        assert asyncio.run(main(server)) == 3


# A quota


class Quota:
    """An endpoint that accepts so many calls in each window of so many seconds."""

    def __init__(self, quota: int, seconds: float, refuse: Callable[[float], Told]) -> None:
        self.quota, self.seconds, self.refuse = quota, seconds, refuse
        self.start, self.used = -math.inf, 0

    def __call__(self, _: Asked) -> Told:
        now = time.monotonic()
        if now >= self.start + self.seconds:
            self.start, self.used = now, 0
        self.used += 1
        if self.used <= self.quota:
            return verdict(4)
        return self.refuse(self.start + self.seconds - now)


def refused_in_words(left: float) -> Told:
    return error(429, f"Limit: 15 per minute. Please try again in {left:.3f}s.")


def refused_in_a_field(left: float) -> Told:
    return Told(429, [{"error": {"code": 429, "details": [{"retryDelay": f"{left:.3f}s"}]}}])


def refused_without_a_word(_: float) -> Told:
    return error(429, "Too many requests")


@pytest.mark.parametrize(
    "refuse",
    [refused_in_words, refused_in_a_field, refused_without_a_word],
    ids=lambda f: f.__name__,
)
def test_a_quota_is_waited_for_by_the_whole_endpoint(refuse: Callable[[float], Told]) -> None:
    async def main(url: str) -> list[Reply]:
        model = open_model(ModelSpec("vllm", "tiny", {"base_url": url}), Settings())
        try:
            requests = [asking(f"question {number}") for number in range(40)]
            return await asyncio.gather(*map(model.complete, requests))
        finally:
            await model.close()

    with Loopback(Quota(15, 1.5, refuse)) as server:
        replies = asyncio.run(main(server.url))
    assert len(replies) == 40
    assert len(server.asked) <= 52
    assert sum(reply.usage.calls for reply in replies) == len(server.asked)


@pytest.mark.parametrize("by", ["max_retries", "the caller"])
def test_where_nothing_is_retried_nothing_is_held(by: str) -> None:
    refusal = CallError("no", status_code=429, retryable=True)

    async def main(url: str) -> list[Any]:
        spec = ModelSpec("vllm", "tiny", {"base_url": url, "max_retries": 0})
        model: Model = open_model(spec, Settings())
        if by == "the caller":
            scripted = ScriptedModel({"good": refusal})
            model = ConcurrencyLimitedModel(scripted, 1, CallLimiter(), holds=False)
        found = [await outcome_of(model) for _ in range(9)]
        await model.close()
        return found

    async def outcome_of(model: Model) -> bool:
        with pytest.raises(CallError) as caught:
            await model.complete(asking())
        return caught.value.is_held

    with Loopback(refused_without_a_word(0.0)) as server:
        assert asyncio.run(main(server.url)) == [False] * 9


# The drill


def ill(asked: Asked, chances: random.Random) -> Told:
    """An endpoint on a bad day."""
    number = chances.random()
    if number < 0.20:
        return error(429, "slow down", headers={"retry-after": "0"})
    if number < 0.30:
        return error(500, "oops")
    if number < 0.35:
        return Told(body={"choices": "long" * 500}, fault="reset")
    if number < 0.40:
        return Told(body="<html>upstream sent too big a header</html>")
    if number < 0.42:
        return Told(fault="hang")
    return chat(asked.prompt)


@pytest.mark.parametrize(("retries", "concurrency"), [(5, None), (5, 32), (1, 32), (0, 8)])
def test_on_a_bad_day_every_request_ends_and_every_attempt_is_counted(
    retries: int, concurrency: int | None
) -> None:
    chances = random.Random(retries)
    requests = [asking(f"question {number}") for number in range(400)]

    async def main(url: str) -> list[Reply | BaseException]:
        endpoints = Endpoints()
        endpoint = endpoints.endpoint_for(url)
        chat_model = ChatModel(endpoint, "tiny", settings={"timeout": 1.5})
        model = RetryingModel(
            ConcurrencyLimitedModel(chat_model, concurrency, endpoint.limiter), retries, first=0.001
        )
        try:
            return await asyncio.gather(
                *(model.complete(each) for each in requests), return_exceptions=True
            )
        finally:
            await endpoints.close()

    with Loopback(lambda asked: ill(asked, chances)) as server:
        found = asyncio.run(main(server.url))
    replies = [each for each in found if isinstance(each, Reply)]
    errors = [each for each in found if isinstance(each, CallError)]
    assert len(replies) + len(errors) == len(requests)
    total = sum((reply.usage for reply in replies), Usage())
    assert len(server.asked) == total.calls + sum(each.attempts for each in errors)
    assert total.retried == total.calls - len(replies)
    for request, reply in zip(requests, found, strict=True):
        assert isinstance(reply, CallError) or (
            isinstance(reply, Reply) and reply.text == request.question.text
        )
    assert all(each.attempts == retries + 1 and each.retryable for each in errors)
    assert all(each.status_code in (429, 500, 200, None) for each in errors)
    assert server.peak <= (concurrency or MAX_CONCURRENCY)
    assert len(errors) < (400 * 0.42 ** (retries + 1)) * 1.5 + 5


def test_the_verdict_of_the_drill_is_the_endpoint_s_own() -> None:
    with Loopback([error(503, "busy", headers={"retry-after-ms": "1"}), verdict(4)]) as server:
        model = open_model(ModelSpec("vllm", "tiny", {"base_url": server.url}), Settings())

        async def main() -> Reply:
            try:
                return await model.complete(asking())
            finally:
                await model.close()

        assert asyncio.run(main()).usage == Usage(calls=2, retried=1, tokens_in=10, tokens_out=5)
