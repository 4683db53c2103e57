"""Around a model, outermost: what was asked before is answered from the cache, what is being asked is waited for."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from rmg_dsl.errors import CallError
from rmg_dsl.messages import Model, Reply, Request, Usage
from rmg_dsl.models.cache import ReplyCache
from rmg_dsl.models.providers.chat_completion import reply_from_cache
from rmg_dsl.models.wrapper import ModelWrapper

CacheKeyFunction = Callable[[Request], bytes | None]
PendingReply = asyncio.Future[Reply | CallError | None]

_CACHE_HIT_USAGE = Usage(cached=1)
_HITS_PER_YIELD = 64
# So many in a row that it did not hold: what comes is new, and to look for each twice is not worth it.
_MISSES_BEFORE_SKIP = 64


class InFlightRequests:
    """The questions that are being asked right now, by what they ask: models of one run share it, or of one loop."""

    def __init__(self) -> None:
        self.by_key: dict[bytes, PendingReply] = {}

    def share_with(self, others: InFlightRequests) -> None:
        """From now on, before anything is asked: what these others ask is not asked once more, and the reverse."""
        self.by_key = others.by_key


class CachedModel(ModelWrapper):
    """Answers from the cache what it holds, asks the rest once, and keeps each reply as it came, verdict or not.

    `identity` gives the key of a request, the same for all that would get the same reply; none is never cached. A
    reply from the cache has `Usage(cached=1)`: no call, no tokens. Of identical requests at one time the first is
    asked, and the others wait for its reply; where it is cancelled, the next one asks. Where it fails they fail too,
    with no attempt of their own. With `refresh` what was in the cache before this was made is asked anew.
    """

    def __init__(
        self,
        model: Model,
        cache: ReplyCache,
        identity: CacheKeyFunction,
        *,
        refresh: bool = False,
        flights: InFlightRequests | None = None,
    ) -> None:
        super().__init__(model)
        self._cache = cache
        self._cache_key = identity
        self._name = model.name
        self._since = cache.clock() if refresh else 0.0
        self._in_flight = InFlightRequests() if flights is None else flights
        self._hits = self._misses = 0

    def recall(self, requests: Sequence[Request]) -> Sequence[Reply | None]:
        """The replies to those that it holds, at once; the others are for `complete`, which looks once more.

        After many that it did not hold it does not look, until `complete` finds one.
        """
        if self._misses >= _MISSES_BEFORE_SKIP:
            return [None] * len(requests)
        keys = [self._cache_key(request) for request in requests]
        values = self._cache.get_all([key for key in keys if key is not None], self._since)
        replies = [
            self._read_cached_reply(values.get(key)) if key is not None else None for key in keys
        ]
        self._misses = 0 if any(replies) else self._misses + len(replies)
        return replies

    async def complete(self, request: Request) -> Reply:
        key = self._cache_key(request)
        if key is None:
            return await self._model.complete(request)
        while True:
            known = self._read_cached_reply(self._cache.get(key, self._since))
            if known is not None:
                return await self._record_hit(known)
            flight = self._in_flight.by_key.get(key)
            if flight is None:
                return await self._ask_once(key, request)
            # Not `await flight`: whoever is cancelled while waiting would cancel it for all.
            await asyncio.wait((flight,))
            outcome = flight.result()
            if isinstance(outcome, CallError):
                raise _error_for_waiter(outcome)
            if outcome is not None:
                return await self._record_hit(replace(outcome, usage=_CACHE_HIT_USAGE))

    async def _ask_once(self, key: bytes, request: Request) -> Reply:
        flight: PendingReply = asyncio.get_running_loop().create_future()
        self._in_flight.by_key[key] = flight
        outcome: Reply | CallError | None = None
        try:
            outcome = reply = await self._model.complete(request)
            self._store_reply(key, reply)
            return reply
        except CallError as error:
            outcome = error
            raise
        finally:
            del self._in_flight.by_key[key]
            flight.set_result(outcome)

    def _store_reply(self, key: bytes, reply: Reply) -> None:
        if reply.raw is not None:
            self._cache.put(key, json.dumps(reply.raw, separators=(",", ":")).encode(), self._since)

    def _read_cached_reply(self, value: bytes | None) -> Reply | None:
        return reply_from_cache(value, self._name, _CACHE_HIT_USAGE)

    async def _record_hit(self, reply: Reply) -> Reply:
        self._hits += 1
        self._misses = 0
        if self._hits % _HITS_PER_YIELD == 0:
            # Nothing else here waits: without a break a warm cache would keep everyone else from the loop.
            await asyncio.sleep(0)
        return reply


def _error_for_waiter(error: CallError) -> CallError:
    """The same failure for one who only waited: its attempts are counted where they were made."""
    same = copy.copy(error)
    same.attempts = 0
    return same
