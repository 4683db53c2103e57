"""How many calls an endpoint gets at once: pure bookkeeping, told what happened and when. It never waits itself."""

from __future__ import annotations

from statistics import median

START = 20
CEILING = 512

_CUT = 0.7
_STEP = 16  # a full window adds a sixteenth, once the first limit was met
_SLOWER = 1.5  # this much over the best latency, and it no longer holds
_JITTER = 0.01  # seconds that a latency may differ by for no reason
_FORGET = 1.02  # the best latency known is trusted a little less with each window
_MEMORY = 63 / 64  # how much an outcome still counts after the next one
LONGEST_HOLD = 120.0  # who is told to wait longer should hear it at once


class Throttle:
    """A limit that grows while latency holds, and is cut once for each episode of refusals.

    >>> throttle = Throttle(start=2, ceiling=100)
    >>> tickets = [throttle.begin(0.0) for _ in range(2)]
    >>> throttle.admits(2, 0.0)
    False
    >>> for ticket in tickets:
    ...     throttle.succeed(ticket, seconds=0.2, busy=2)
    >>> throttle.limit
    4

    Every call has a ticket. A window is as many successes at full use as the limit allows; after each one the limit
    doubles until it first meets a bound, then it grows by a sixteenth, up to `ceiling`. A refusal (429, 503) cuts it
    to 0.7 of itself; calls that were under way by then belong to the same episode and cut no more. While most of the
    last calls were good it does not fall under half of `start`: a few refusals say little about how many are too many.

    A refusal that says how long to wait holds everything for that long, but one call: if that is answered, the hold
    is over. What a provider announces (nothing left until …) is held without one.
    """

    def __init__(self, start: int = START, ceiling: int = CEILING) -> None:
        self.limit = start
        self._start = start
        self._ceiling = ceiling
        self._tickets = 0
        self._episode = 0
        self._good = self._bad = 0.0
        self._doubling = True
        self._best: float | None = None
        self._window: list[float] = []
        self._held_until = 0.0
        self._probe: int | None = None
        self._may_probe = False

    def bound(self, start: int, ceiling: int) -> None:
        """Another start and ceiling, before anything is known of the endpoint."""
        self.limit = self._start = start
        self._ceiling = ceiling

    def admits(self, busy: int, now: float) -> bool:
        """Whether one more call may begin."""
        return busy < self.limit and (now >= self._held_until or self._may_probe)

    def held_for(self, now: float) -> float:
        """The seconds for which no more calls may begin, however few are under way."""
        return 0.0 if self._may_probe else max(0.0, self._held_until - now)

    def begin(self, now: float) -> int:
        """A call begins; returns its ticket."""
        self._tickets += 1
        if now < self._held_until and self._may_probe:
            self._probe, self._may_probe = self._tickets, False
        return self._tickets

    def succeed(self, ticket: int, seconds: float, busy: int) -> None:
        """A call was answered, after `seconds`, while `busy` calls were under way, itself among them."""
        self._good, self._bad = self._good * _MEMORY + 1, self._bad * _MEMORY
        if ticket == self._probe:
            self._held_until, self._probe = 0.0, None
        if ticket <= self._episode or busy < self.limit or self.limit >= self._ceiling:
            return
        self._window.append(seconds)
        if len(self._window) >= self.limit:
            self._judge(median(self._window))
            self._window.clear()

    def _judge(self, latency: float) -> None:
        best = latency if self._best is None else min(latency, self._best * _FORGET)
        self._best = best
        if latency > best * _SLOWER + _JITTER:
            self._doubling = False
            return
        grown = self.limit * 2 if self._doubling else self.limit + max(1, self.limit // _STEP)
        self.limit = min(self._ceiling, grown)

    def refuse(self, ticket: int, now: float, wait: float | None = None) -> None:
        """A call was refused for the load, perhaps with the seconds to `wait`."""
        self._good, self._bad = self._good * _MEMORY, self._bad * _MEMORY + 1
        if wait:
            self._hold(now, wait, probing=ticket != self._probe)
        if ticket <= self._episode:
            return
        floor = 1 if self._bad > self._good else -(-self._start // 2)
        self.limit = max(min(self.limit, floor), int(self.limit * _CUT))
        self._episode, self._doubling = self._tickets, False
        self._window.clear()

    def announce(self, now: float, wait: float) -> None:
        """The provider has nothing left for so many seconds."""
        self._hold(now, wait, probing=False)

    def _hold(self, now: float, wait: float, *, probing: bool) -> None:
        if wait > LONGEST_HOLD:
            return
        fresh = now >= self._held_until
        self._held_until = max(self._held_until, now + wait)
        if fresh:
            self._may_probe = probing
