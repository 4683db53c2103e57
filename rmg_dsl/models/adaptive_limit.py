"""How many calls an endpoint gets at once: pure bookkeeping, told what happened and when. It never waits itself."""

from __future__ import annotations

from statistics import median

START_CONCURRENCY = 20
MAX_CONCURRENCY = 512

_CUT_FACTOR = 0.7
_GROWTH_DIVISOR = 16  # a full window adds a sixteenth, once the first limit was met
_LATENCY_TOLERANCE = 1.5  # this much over the best latency, and it no longer holds
_JITTER = 0.01  # seconds that a latency may differ by for no reason
_BEST_LATENCY_DRIFT = 1.02  # the best latency known is trusted a little less with each window
_OUTCOME_DECAY = 63 / 64  # how much an outcome still counts after the next one
LONGEST_PAUSE = 120.0  # who is told to wait longer should hear it at once


class AdaptiveLimit:
    """A limit that grows while latency holds, and is cut once for each episode of refusals.

    >>> throttle = AdaptiveLimit(start=2, ceiling=100)
    >>> tickets = [throttle.begin_call(0.0) for _ in range(2)]
    >>> throttle.admits(2, 0.0)
    False
    >>> for ticket in tickets:
    ...     throttle.record_success(ticket, seconds=0.2, busy=2)
    >>> throttle.limit
    4

    Every call has a ticket. A window is as many successes at full use as the limit allows; after each one the limit
    doubles until it first meets a bound, then it grows by a sixteenth, up to `ceiling`. A refusal (429, 503) cuts it
    to 0.7 of itself; calls that were under way by then belong to the same episode and cut no more. While most of the
    last calls were good it does not fall under half of `start`: a few refusals say little about how many are too many.

    A refusal that says how long to wait holds everything for that long, but one call: if that is answered, the hold
    is over. What a provider announces (nothing left until …) is held without one.
    """

    def __init__(self, start: int = START_CONCURRENCY, ceiling: int = MAX_CONCURRENCY) -> None:
        self.limit = start
        self._start = start
        self._ceiling = ceiling
        self._tickets = 0
        self._episode = 0
        self._success_weight = self._refusal_weight = 0.0
        self._is_doubling = True
        self._best_latency: float | None = None
        self._window_latencies: list[float] = []
        self._paused_until = 0.0
        self._probe_ticket: int | None = None
        self._may_probe = False

    def set_bounds(self, start: int, ceiling: int) -> None:
        """Another start and ceiling, before anything is known of the endpoint."""
        self.limit = self._start = start
        self._ceiling = ceiling

    def admits(self, busy: int, now: float) -> bool:
        """Whether one more call may begin."""
        return busy < self.limit and (now >= self._paused_until or self._may_probe)

    def pause_left(self, now: float) -> float:
        """The seconds for which no more calls may begin, however few are under way."""
        return 0.0 if self._may_probe else max(0.0, self._paused_until - now)

    def begin_call(self, now: float) -> int:
        """A call begins; returns its ticket."""
        self._tickets += 1
        if now < self._paused_until and self._may_probe:
            self._probe_ticket, self._may_probe = self._tickets, False
        return self._tickets

    def record_success(self, ticket: int, seconds: float, busy: int) -> None:
        """A call was answered, after `seconds`, while `busy` calls were under way, itself among them."""
        self._success_weight, self._refusal_weight = (
            self._success_weight * _OUTCOME_DECAY + 1,
            self._refusal_weight * _OUTCOME_DECAY,
        )
        if ticket == self._probe_ticket:
            self._paused_until, self._probe_ticket = 0.0, None
        if ticket <= self._episode or busy < self.limit or self.limit >= self._ceiling:
            return
        self._window_latencies.append(seconds)
        if len(self._window_latencies) >= self.limit:
            self._adjust_limit(median(self._window_latencies))
            self._window_latencies.clear()

    def _adjust_limit(self, latency: float) -> None:
        best = (
            latency
            if self._best_latency is None
            else min(latency, self._best_latency * _BEST_LATENCY_DRIFT)
        )
        self._best_latency = best
        if latency > best * _LATENCY_TOLERANCE + _JITTER:
            self._is_doubling = False
            return
        grown = (
            self.limit * 2
            if self._is_doubling
            else self.limit + max(1, self.limit // _GROWTH_DIVISOR)
        )
        self.limit = min(self._ceiling, grown)

    def record_refusal(self, ticket: int, now: float, wait: float | None = None) -> None:
        """A call was refused for the load, perhaps with the seconds to `wait`."""
        self._success_weight, self._refusal_weight = (
            self._success_weight * _OUTCOME_DECAY,
            self._refusal_weight * _OUTCOME_DECAY + 1,
        )
        if wait:
            self._pause(now, wait, probing=ticket != self._probe_ticket)
        if ticket <= self._episode:
            return
        floor = 1 if self._refusal_weight > self._success_weight else -(-self._start // 2)
        self.limit = max(min(self.limit, floor), int(self.limit * _CUT_FACTOR))
        self._episode, self._is_doubling = self._tickets, False
        self._window_latencies.clear()

    def record_pause(self, now: float, wait: float) -> None:
        """The provider has nothing left for so many seconds."""
        self._pause(now, wait, probing=False)

    def _pause(self, now: float, wait: float, *, probing: bool) -> None:
        if wait > LONGEST_PAUSE:
            return
        fresh = now >= self._paused_until
        self._paused_until = max(self._paused_until, now + wait)
        if fresh:
            self._may_probe = probing
