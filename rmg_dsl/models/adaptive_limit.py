"""How many calls an endpoint gets at once: it adapts to latency and refusals."""

from __future__ import annotations

from statistics import median

from rmg_dsl.models.endpoint_hold import EndpointHold

START_CONCURRENCY = 20
MAX_CONCURRENCY = 512

_CUT_FACTOR = 0.7
_GROWTH_DIVISOR = 16  # a full window adds a sixteenth, after the first rise of the latency
_LATENCY_TOLERANCE = 1.5  # above this multiple of the best latency the endpoint is at its limit
_JITTER = 0.01  # seconds by which a latency differs without a reason
_BEST_LATENCY_DRIFT = 1.02  # the best latency rises by this with each window: it may be out of date
_OUTCOME_DECAY = 63 / 64  # the weight of an outcome after the next one


class AdaptiveLimit:
    """A limit that grows while the latency stays low, and is cut once per episode of refusals.

    >>> limit = AdaptiveLimit(start=2, ceiling=100)
    >>> tickets = [limit.begin_call(0.0) for _ in range(2)]
    >>> limit.admits(2, 0.0)
    False
    >>> for ticket in tickets:
    ...     limit.record_success(ticket, seconds=0.2, busy=2)
    >>> limit.limit
    4

    Every call has a ticket. A window is as many successes at full use as the limit allows. After
    each window the limit doubles, until the latency first rises; then it grows by a sixteenth, up
    to `ceiling`. A refusal (429, 503, 529) cuts it to 0.7 of itself; calls that were running then
    belong to the same episode and cut it no further. While most of the last calls succeed, it stays
    at half of `start` or above: a few refusals say little about the right number.

    Refusals for a quota also hold all calls, as `EndpointHold` says. A pause that the provider
    announces beside a reply has no probe. Times are in seconds on the clock of the caller.
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
        self._hold = EndpointHold()

    def set_bounds(self, start: int, ceiling: int) -> None:
        """Set another start and ceiling, before the first call."""
        self.limit = self._start = start
        self._ceiling = ceiling

    def admits(self, busy: int, now: float) -> bool:
        """Whether one more call may start, with `busy` calls running."""
        return busy < self.limit and self._hold.admits(now)

    def pause_left(self, now: float) -> float:
        """The seconds until calls may start again; 0 where they may now."""
        return self._hold.seconds_left(now)

    def begin_call(self, now: float) -> int:
        """Record the start of a call; returns its ticket."""
        self._tickets += 1
        self._hold.begin(self._tickets, now)
        return self._tickets

    def record_success(self, ticket: int, seconds: float, busy: int) -> None:
        """Record a success after `seconds`, with `busy` calls running, itself among them."""
        self._add_outcome(success=1, refusal=0)
        self._hold.record_success(ticket)
        # Only full use shows what the endpoint can take, and only calls after the last cut.
        if ticket <= self._episode or busy < self.limit or self.limit >= self._ceiling:
            return
        self._window_latencies.append(seconds)
        if len(self._window_latencies) >= self.limit:
            self._adjust_limit(median(self._window_latencies))
            self._window_latencies.clear()

    def _adjust_limit(self, latency: float) -> None:
        best = latency
        if self._best_latency is not None:
            best = min(latency, self._best_latency * _BEST_LATENCY_DRIFT)
        self._best_latency = best
        if latency > best * _LATENCY_TOLERANCE + _JITTER:
            self._is_doubling = False
            return
        step = max(1, self.limit // _GROWTH_DIVISOR)
        if self._is_doubling:
            step = self.limit
        self.limit = min(self._ceiling, self.limit + step)

    def record_refusal(
        self, ticket: int, now: float, wait: float | None = None, *, is_quota: bool = False
    ) -> bool:
        """Record a refusal because of the load, perhaps with the seconds to `wait`.

        Returns whether all calls are held because of a quota.
        """
        self._add_outcome(success=0, refusal=1)
        is_held = self._hold.record_refusal(ticket, now, wait, is_quota=is_quota)
        if ticket > self._episode:
            self._cut_limit()
        return is_held

    def record_other_end(self, ticket: int, now: float) -> None:
        """Record a call that ended in another way: cancelled, timed out, a broken connection."""
        self._hold.record_other_end(ticket, now)

    def _cut_limit(self) -> None:
        floor = (self._start + 1) // 2
        if self._refusal_weight > self._success_weight:
            floor = 1
        self.limit = max(min(self.limit, floor), int(self.limit * _CUT_FACTOR))
        self._episode, self._is_doubling = self._tickets, False
        self._window_latencies.clear()

    def record_pause(self, now: float, wait: float) -> None:
        """Record that the provider announced a used-up quota for so many seconds."""
        self._hold.pause(now, wait, probing=False)

    def _add_outcome(self, *, success: int, refusal: int) -> None:
        self._success_weight = self._success_weight * _OUTCOME_DECAY + success
        self._refusal_weight = self._refusal_weight * _OUTCOME_DECAY + refusal
