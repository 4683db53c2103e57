"""The outermost wrapper of a model: cached replies, and one call for equal requests in flight."""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol
from weakref import WeakKeyDictionary

from rmg_dsl.errors import CallError
from rmg_dsl.messages import Model, Reply, Request, Usage
from rmg_dsl.models.cached_reply import decode_reply, encode_reply
from rmg_dsl.models.wrapper import ModelWrapper

CacheKeyFunction = Callable[[Request], bytes | None]
UsabilityTest = Callable[[Reply, Request], bool]
PendingReply = asyncio.Future[Reply | CallError | None]

_CACHE_HIT_USAGE = Usage(cached=1)
_HITS_PER_YIELD = 64
# After so many misses in a row the rest is likely new: `recall` would look up each request twice.
_MISSES_BEFORE_SKIP = 64


class ReplyStore(Protocol):
    """What keeps replies: the cache on disk, or the memory of one run."""

    @property
    def note(self) -> str: ...

    @property
    def clock(self) -> Callable[[], float]: ...

    def get(self, key: bytes, since: float = 0.0) -> bytes | None: ...

    def get_all(self, keys: Sequence[bytes], since: float = 0.0) -> dict[bytes, bytes]: ...

    def put(self, key: bytes, value: bytes, since: float = 0.0) -> None: ...

    def close(self) -> None: ...


class InFlightRequests:
    """The calls in flight, by cache key. The models of one run share it."""

    def __init__(self) -> None:
        self.by_key: dict[bytes, PendingReply] = {}

    def share_with(self, others: InFlightRequests) -> None:
        """Use the calls of `others` too, and the reverse. To be called before the first call."""
        self.by_key = others.by_key

    @staticmethod
    def of_running_loop() -> InFlightRequests:
        """The calls of all runs on the running event loop."""
        return _IN_FLIGHT_BY_LOOP.setdefault(asyncio.get_running_loop(), InFlightRequests())


# A future belongs to its loop: calls cannot be shared with runs on another one.
_IN_FLIGHT_BY_LOOP: WeakKeyDictionary[asyncio.AbstractEventLoop, InFlightRequests] = (
    WeakKeyDictionary()
)


class CachedModel(ModelWrapper):
    """Takes replies from the cache, calls the model for the rest, and stores those replies.

    `cache_key` gives the key of a request, or None for one that is never cached. A reply from the
    cache has `Usage(cached=1)`: no call, no tokens. Of equal requests in flight the first one calls
    the model, and the others wait for its reply. Where it is cancelled, the next one calls; where
    it fails, they all fail, and only the first counts attempts. With `refresh` replies that were in
    the cache before are ignored and overwritten. A cached reply for which `is_usable` is false is
    asked again, and overwritten.
    """

    def __init__(
        self,
        model: Model,
        cache: ReplyStore,
        cache_key: CacheKeyFunction,
        *,
        refresh: bool = False,
        in_flight: InFlightRequests | None = None,
        is_usable: UsabilityTest | None = None,
    ) -> None:
        super().__init__(model)
        self._cache = cache
        self._is_usable = is_usable
        self._cache_key = cache_key
        self._since = cache.clock() if refresh else 0.0
        self._in_flight = InFlightRequests() if in_flight is None else in_flight
        self._hits = self._misses = 0

    def recall(self, requests: Sequence[Request]) -> Sequence[Reply | None]:
        """The cached replies to these requests, with None for each that `complete` must answer.

        After many misses in a row it does not look any more, until `complete` has a hit.
        """
        if self._misses >= _MISSES_BEFORE_SKIP:
            return [None] * len(requests)
        keys = [self._cache_key(request) for request in requests]
        values = self._cache.get_all([key for key in keys if key is not None], self._since)
        replies = [_cached_reply(values.get(key or b"")) for key in keys]
        if any(replies):
            self._misses = 0
        else:
            self._misses += len(replies)
        return replies

    async def complete(self, request: Request) -> Reply:
        key = self._cache_key(request)
        if key is None:
            return await self._model.complete(request)
        while True:
            cached = _cached_reply(self._cache.get(key, self._since))
            if cached is not None and self._may_use(cached, request):
                return await self._record_hit(cached)
            pending = self._in_flight.by_key.get(key)
            if pending is None:
                # An unusable reply that is stored must give way to the new one.
                since = self._since if cached is None else math.inf
                return await self._call_model(key, request, since)
            # Not `await pending`: a waiter that is cancelled would cancel it for all.
            await asyncio.wait((pending,))
            outcome = pending.result()
            if isinstance(outcome, CallError):
                raise _error_for_waiter(outcome)
            if outcome is not None:
                return await self._record_hit(replace(outcome, usage=_CACHE_HIT_USAGE))

    def _may_use(self, cached: Reply, request: Request) -> bool:
        return self._is_usable is None or self._is_usable(cached, request)

    async def _call_model(self, key: bytes, request: Request, since: float) -> Reply:
        pending: PendingReply = asyncio.get_running_loop().create_future()
        self._in_flight.by_key[key] = pending
        outcome: Reply | CallError | None = None
        try:
            outcome = reply = await self._model.complete(request)
            self._cache.put(key, encode_reply(reply), since)
            return reply
        except CallError as error:
            outcome = error
            raise
        finally:
            del self._in_flight.by_key[key]
            pending.set_result(outcome)

    async def _record_hit(self, reply: Reply) -> Reply:
        self._hits += 1
        self._misses = 0
        if self._hits % _HITS_PER_YIELD == 0:
            # A warm cache awaits nothing else: without this, other tasks would never run.
            await asyncio.sleep(0)
        return reply


def _cached_reply(value: bytes | None) -> Reply | None:
    return decode_reply(value, _CACHE_HIT_USAGE)


def _error_for_waiter(error: CallError) -> CallError:
    """A copy without attempts: the request that made the call counts them."""
    same = copy.copy(error)
    same.attempts = 0
    return same
