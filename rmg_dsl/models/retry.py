"""The wrapper that repeats failed calls, and counts every attempt."""

from __future__ import annotations

import asyncio
import random as chance
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count

from rmg_dsl.errors import CallError
from rmg_dsl.messages import Model, Reply, Request
from rmg_dsl.models.adaptive_limit import START, Throttle
from rmg_dsl.models.cancellation import Brake, abandoned
from rmg_dsl.models.limiter import Gate
from rmg_dsl.models.rate_limit import Clock, Sleep
from rmg_dsl.models.wrapper import Wrapped

DEFAULT_RETRIES = 5

# A server that never answered is seldom there a minute later: say so soon.
_TRIES_WITH_NOBODY = 3
_SECONDS_WITH_NOBODY = 3.0
# So many questions one after the other, each tried as often as may be, and not one answer: there will be none.
_HOPELESS = 20


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
    usage counts all attempts; the CallError that is raised in the end holds their number, and so does an `Abandoned`.

    Where nobody has ever answered, three attempts are enough, and where question after question fails for good, no
    other will do better: such a failure is `fatal`. Until there is a first answer, no more questions are tried than
    there are `slots`: those that wait to be tried again keep theirs.
    """

    def __init__(
        self,
        model: Model,
        max_retries: int = DEFAULT_RETRIES,
        *,
        brake: Brake | None = None,
        slots: Callable[[], int] = lambda: START,
        sleep: Sleep | None = None,
        clock: Clock = time.monotonic,
        random: Callable[[], float] = chance.random,
        first: float = 0.5,
        longest: float = 30.0,
        patience: float = 120.0,
    ) -> None:
        super().__init__(model)
        brake = Brake() if brake is None else brake
        self._max_retries = max_retries
        self._slots = slots
        self._brake = brake
        self._door: Gate | None = None
        self._sleep = brake.sleep if sleep is None else sleep
        self._clock = clock
        self._random = random
        self._first = first
        self._longest = longest
        self._patience = patience
        self._heard = self._answered = False
        self._silent = self._failed = 0

    async def complete(self, request: Request) -> Reply:
        if self._answered:
            if self._door is not None:
                # Who waited at the door is let in, in this very turn, and goes first.
                await asyncio.sleep(0)
            return await self._tried(request)
        if self._door is None:
            self._door = Gate(Throttle(slots := self._slots(), slots), brake=self._brake)
        door = self._door
        await door.enter()
        try:
            return await self._tried(request)
        finally:
            door.leave()

    async def _tried(self, request: Request) -> Reply:
        spent, since = 0, self._clock()
        try:
            for tries in count():
                try:
                    reply = await self._model.complete(request)
                except CallError as error:
                    spent += error.attempts
                    wait = self._wait(error, tries, since)
                    if wait is None:
                        raise self._final(error, spent) from None
                else:
                    return self._counted(reply, spent)
                await self._sleep(wait)
        except asyncio.CancelledError as cause:
            raise abandoned(cause, spent) from None
        raise AssertionError("a count has no end")

    def _counted(self, reply: Reply, spent: int) -> Reply:
        self._heard, self._failed = True, 0
        if not self._answered and self._door is not None:
            self._answered = True
            self._door.open_wide()
            asyncio.get_running_loop().call_soon(self._take_away_the_door)
        if not spent:
            return reply
        usage = replace(
            reply.usage, calls=reply.usage.calls + spent, retried=reply.usage.retried + spent
        )
        return replace(reply, usage=usage)

    def _take_away_the_door(self) -> None:
        self._door = None

    def _wait(self, error: CallError, tries: int, since: float) -> float | None:
        """The seconds until the next try; none when there shall be none."""
        self._heard = self._heard or error.status_code is not None
        self._silent += not self._heard
        asked = error.retry_after or 0.0
        enough = tries >= self._max_retries or (
            not self._heard and self._nobody(error, tries, since)
        )
        if not error.retryable or enough or asked > self._patience:
            return None
        jitter = self._random() * min(self._longest, self._first * 2.0 ** min(tries, 32))
        return asked + self._random() * self._first if asked else jitter

    def _nobody(self, error: CallError, tries: int, since: float) -> bool:
        """Whether enough was tried where nobody has ever answered; where nobody even listens, time counts too."""
        return tries + 1 >= _TRIES_WITH_NOBODY or (
            error.fatal and self._clock() - since > _SECONDS_WITH_NOBODY
        )

    def _final(self, error: CallError, spent: int) -> CallError:
        """The error that a question ends with; fatal where it is not the first, and none was ever answered."""
        error.attempts = spent
        self._failed += error.retryable
        if self._failed >= _HOPELESS or (not self._heard and self._silent >= _TRIES_WITH_NOBODY):
            error.fatal = True
        return error
