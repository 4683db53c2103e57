"""Wrappers around a model, each with its one method: how many calls at once, how fast, and what is tried again."""

from __future__ import annotations

import asyncio
import random as chance
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from itertools import count

from rmg_dsl.errors import CallError
from rmg_dsl.messages import Model, Reply, Request
from rmg_dsl.models.throttle import CEILING, START, Throttle
from rmg_dsl.models.wrapped import Wrapped

DEFAULT_RETRIES = 5

# A server that never answered is seldom there a minute later: say so soon.
_PATIENCE_WITH_NOBODY = 2
_LETTERS_PER_TOKEN = 4
_TOO_MUCH = frozenset({429, 503})

Sleep = Callable[[float], Awaitable[object]]
Clock = Callable[[], float]


class Gate:
    """Lets in as many calls as a `Throttle` admits, in the order in which they came. One for each endpoint.

    >>> Gate().limit
    20
    """

    def __init__(self, throttle: Throttle | None = None, *, clock: Clock = time.monotonic) -> None:
        self._throttle = Throttle() if throttle is None else throttle
        self._clock = clock
        self._busy = 0
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._wanted: list[int | None] = []
        self._shut = False

    @property
    def limit(self) -> int:
        """How many calls may be under way now."""
        return self._throttle.limit

    def wanted(self, concurrency: int | None) -> None:
        """One model's wish, before its first call: a number of calls at once, or none for what turns out best."""
        self._wanted.append(concurrency)
        most = max(wish or 0 for wish in self._wanted)
        ceiling = CEILING if None in self._wanted else most
        self._throttle.bound(max(most, min(START, ceiling)), max(most, ceiling))

    async def enter(self) -> int:
        """Waits for a slot; returns the ticket that goes with it. Who comes to a gate that is shut is cancelled."""
        if self._shut:
            raise asyncio.CancelledError("the run has ended")
        if not self._waiting and self._throttle.admits(self._busy, self._clock()):
            return self._take()
        waiter: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._rouse()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                with suppress(ValueError):  # it may have been passed over already
                    self._waiting.remove(waiter)
            else:
                # It was let in and cancelled in the same turn.
                self.leave()
            raise

    def shut(self) -> None:
        """Lets nobody in any more: the run has ended. Who waits is cancelled, what is under way goes on."""
        self._shut = True
        while self._waiting:
            self._waiting.popleft().cancel()

    def leave(self) -> None:
        self._busy -= 1
        self._rouse()

    def succeeded(self, ticket: int, seconds: float) -> None:
        self._throttle.succeed(ticket, seconds, self._busy)

    def refused(self, ticket: int, wait: float | None) -> None:
        self._throttle.refuse(ticket, self._clock(), wait)

    def hold(self, seconds: float) -> None:
        """Lets nobody in for a while: the provider said that it has nothing left."""
        self._throttle.announce(self._clock(), seconds)

    def _take(self) -> int:
        self._busy += 1
        return self._throttle.begin(self._clock())

    def _rouse(self) -> None:
        """Lets in whom there is room for, and comes back when a hold is over."""
        while self._waiting and self._throttle.admits(self._busy, self._clock()):
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(self._take())
        held = self._throttle.held_for(self._clock())
        if self._waiting and held and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(held, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._rouse()


class Limited(Wrapped):
    """At most `concurrency` calls at once, and no more than the `gate` of its endpoint lets in.

    >>> from rmg_dsl.models import ScriptedModel
    >>> Limited(ScriptedModel({}), 4).name
    'scripted'

    Innermost, so that a call that waits to be tried again holds no slot. Without a `concurrency` the gate finds out
    how many are best; without a `gate` there is one for this model alone.
    """

    def __init__(
        self,
        model: Model,
        concurrency: int | None = None,
        gate: Gate | None = None,
        *,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(model)
        self._gate = Gate(clock=clock) if gate is None else gate
        self._gate.wanted(concurrency)
        # Others at the same gate may have more.
        self._own = asyncio.Semaphore(concurrency) if gate and concurrency else nullcontext()
        self._clock = clock

    def shut(self) -> None:
        """Lets no more calls begin; those under way go on."""
        self._gate.shut()

    async def complete(self, request: Request) -> Reply:
        async with self._own:
            ticket = await self._gate.enter()
            began = self._clock()
            try:
                reply = await self._model.complete(request)
            except CallError as error:
                if error.status_code in _TOO_MUCH:
                    self._gate.refused(ticket, error.retry_after)
                raise
            else:
                self._gate.succeeded(ticket, self._clock() - began)
                return reply
            finally:
                self._gate.leave()


class Paced(Wrapped):
    """At most `rpm` calls and `tpm` tokens a minute, evenly spaced: a provider's limits met before it has to say no.

    >>> from rmg_dsl.models import ScriptedModel
    >>> Paced(ScriptedModel({}), rpm=60).name
    'scripted'

    Tokens are guessed from the letters before a call and put right by the reply's own count.
    """

    def __init__(
        self,
        model: Model,
        rpm: float | None = None,
        tpm: float | None = None,
        *,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        super().__init__(model)
        self._per_call = 60 / rpm if rpm else 0.0
        self._per_token = 60 / tpm if tpm else 0.0
        self._clock = clock
        self._sleep = sleep
        self._calls_free = 0.0
        self._tokens_free = 0.0

    async def complete(self, request: Request) -> Reply:
        guess = sum(len(message.content) for message in request.messages) // _LETTERS_PER_TOKEN
        wait = self._booked(guess)
        if wait > 0:
            await self._sleep(wait)
        reply = await self._model.complete(request)
        self._tokens_free += self._per_token * (reply.usage.tokens_in + reply.usage.tokens_out - guess)
        return reply

    def _booked(self, tokens: int) -> float:
        """Books the next free moment before anything is awaited, so that no two calls book the same."""
        now = self._clock()
        start = max(now, self._calls_free, self._tokens_free)
        self._calls_free = start + self._per_call
        self._tokens_free = max(now, self._tokens_free) + self._per_token * tokens
        return start - now


class Retrying(Wrapped):
    """Tries again what may pass, at most `max_retries` times, and counts every attempt.

    >>> from rmg_dsl.messages import Message, Question
    >>> from rmg_dsl.models import ScriptedModel
    >>> from rmg_dsl.scales import YesNo
    >>> busy = CallError("busy", retryable=True)
    >>> model = Retrying(ScriptedModel({"polite": [busy, True]}), random=lambda: 0.0)
    >>> asyncio.run(model.complete(Request(Question("polite", YesNo(), (Message("user", "Polite?"),))))).usage.calls
    2

    The wait is random between 0 and 0.5 s, doubled with each try and capped at 30 s; where the answer says how long
    to wait, it is at least that, and where it says more than `patience` seconds, no further try is made. The reply's
    usage counts all attempts; the CallError that is raised in the end holds their number.
    """

    def __init__(
        self,
        model: Model,
        max_retries: int = DEFAULT_RETRIES,
        *,
        sleep: Sleep = asyncio.sleep,
        random: Callable[[], float] = chance.random,
        first: float = 0.5,
        longest: float = 30.0,
        patience: float = 120.0,
    ) -> None:
        super().__init__(model)
        self._max_retries = max_retries
        self._sleep = sleep
        self._random = random
        self._first = first
        self._longest = longest
        self._patience = patience
        self._answered = False

    async def complete(self, request: Request) -> Reply:
        spent = 0
        for tries in count():
            try:
                reply = await self._model.complete(request)
            except CallError as error:
                spent += error.attempts
                wait = self._wait(error, tries)
                if wait is None:
                    error.attempts = spent
                    raise
            else:
                self._answered = True
                usage = replace(reply.usage, calls=reply.usage.calls + spent, retried=reply.usage.retried + spent)
                return replace(reply, usage=usage)
            await self._sleep(wait)
        raise AssertionError("a count has no end")

    def _wait(self, error: CallError, tries: int) -> float | None:
        """The seconds until the next try; none when there shall be none."""
        hopeless = error.fatal and not self._answered
        most = min(self._max_retries, _PATIENCE_WITH_NOBODY) if hopeless else self._max_retries
        asked = error.retry_after or 0.0
        if not error.retryable or tries >= most or asked > self._patience:
            return None
        jitter = self._random() * min(self._longest, self._first * 2.0 ** min(tries, 32))
        return asked + self._random() * self._first if asked else jitter
