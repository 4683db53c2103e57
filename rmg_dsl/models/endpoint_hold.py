"""When an endpoint that refuses calls gets the next one: the pause, the probes, the pace after."""

from __future__ import annotations

LONGEST_PAUSE = 120.0  # seconds; a longer wait should fail at once, with a message

# Refusals with a shorter wait than this are the noise of a busy endpoint, and no quota.
_SHORTEST_QUOTA = 0.1
# Seconds until the first probe where a refusal does not say how long to wait; doubled each time.
_FIRST_PROBE, _LONGEST_PROBE = 1.0, 30.0
# An endpoint that has accepted this many calls, or that accepted the first probe of a pause, may
# refuse calls by chance. Then it takes so many refusals in a row to hold all calls, else one.
_CALLS_TO_TRUST, _REFUSALS_IN_A_ROW = 50, 3
# The pace after a hold is the one that the endpoint took before it. After so many accepted calls it
# rises with each one: the quota may have been larger, or may have grown.
_CALLS_BEFORE_RISE, _RISE = 10, 1.05
_SHORTEST_INTERVAL, _LONGEST_INTERVAL = 0.01, 60.0


class EndpointHold:
    """Holds the calls of an endpoint while it refuses them for a quota.

    >>> hold = EndpointHold()
    >>> hold.begin(1, now=0.0)
    >>> hold.record_refusal(1, 0.5, wait=20.0, is_quota=True)
    True
    >>> hold.admits(1.0), hold.seconds_left(1.0)
    (True, 0.0)

    A refusal that says how long to wait pauses all calls for that long, except one, the probe: if
    it succeeds, the pause is over. After two probes in a row that were refused too, the next pause
    has no such exception, then the next two, then four.

    A refusal for a quota that says nothing pauses all calls for a second. Then one call probes the
    endpoint; while it is refused, the pauses double up to 30 seconds.

    When a pause has run its time, calls start at the pace at which the endpoint accepted them, from
    the first call after the last pause until the end of this one. Times are in seconds on the clock
    of the caller.
    """

    def __init__(self) -> None:
        self._until = 0.0
        self._is_open, self._is_for_quota = True, False
        # Of a pause that no refusal announced: its length. 0 for an announced one.
        self._probe_wait = 0.0
        self._probe_ticket: int | None = None
        self._may_probe = False
        self._interval = self._next_start = 0.0
        self._accepting_since: float | None = None
        self._accepted = self._all_accepted = self._refused_in_a_row = 0
        self._pauses_without_probe = self._pauses_to_skip = 0
        self._refusals_to_hold = 1

    def admits(self, now: float) -> bool:
        """Whether a call may start."""
        if self._probe_wait:
            return self._probe_ticket is None and now >= self._until
        if now < self._until:
            return self._may_probe
        return now >= self._next_start

    def seconds_left(self, now: float) -> float:
        """The seconds until a call may start; 0 where one may now, or where a probe decides."""
        if self._probe_wait:
            return 0.0 if self._probe_ticket else max(0.0, self._until - now)
        if now < self._until:
            return 0.0 if self._may_probe else min(LONGEST_PAUSE, self._until - now)
        return max(0.0, self._next_start - now)

    def begin(self, ticket: int, now: float) -> None:
        """Record the start of a call."""
        if self._probe_wait:
            self._probe_ticket = ticket
            return
        if now < self._until:
            if self._may_probe:
                self._probe_ticket, self._may_probe = ticket, False
            return
        if not self._is_open:
            self._open(self._until, learns=self._is_for_quota)
        if self._accepting_since is None:
            self._accepting_since = now
        if self._interval:
            self._next_start = now + self._interval

    def record_success(self, ticket: int) -> None:
        """Record that the endpoint accepted a call."""
        self._refused_in_a_row = 0
        self._accepted += 1
        self._all_accepted += 1
        if ticket == self._probe_ticket:
            self._end_by_probe()
        elif self._interval and self._is_open and self._accepted > _CALLS_BEFORE_RISE:
            self._interval /= _RISE
            if self._interval < _SHORTEST_INTERVAL:
                self._interval = self._next_start = 0.0

    def record_refusal(
        self, ticket: int, now: float, wait: float | None, *, is_quota: bool
    ) -> bool:
        """Record a refusal; is the endpoint held because of a quota from now on?"""
        self._refused_in_a_row += 1
        is_probe = ticket == self._probe_ticket
        if wait is not None:
            holds = is_quota and _SHORTEST_QUOTA <= wait <= LONGEST_PAUSE
            self.record_other_end(ticket, now)
            if is_probe:
                self._pauses_without_probe = self._pauses_to_skip
                self._pauses_to_skip = max(1, 2 * self._pauses_to_skip)
            if wait:
                self._pause_as_told(now, wait, was_probe=is_probe)
            self._is_for_quota |= holds
            return holds
        if not is_quota:
            self.record_other_end(ticket, now)
            return False
        if is_probe and self._probe_wait:
            self._refusals_to_hold = 1
            self._pause_until_probe(now, min(2 * self._probe_wait, _LONGEST_PROBE))
        elif self._is_open and self._is_out_of_quota():
            self._pause_until_probe(now, _FIRST_PROBE)
        return not self._is_open

    def record_other_end(self, ticket: int, now: float) -> None:
        """Record a call that ended without an answer about the quota: the next may probe."""
        if ticket == self._probe_ticket:
            self._probe_ticket = None
            if self._probe_wait:
                self._until = now + self._probe_wait

    def pause(self, now: float, wait: float, *, probing: bool) -> None:
        """Start no call for `wait` seconds, except one where `probing`."""
        if wait > LONGEST_PAUSE:
            return
        is_new_pause = now >= self._until
        self._until = max(self._until, now + wait)
        if is_new_pause or self._probe_wait:
            self._may_probe = probing
        self._probe_wait, self._is_open = 0.0, False

    def _pause_as_told(self, now: float, wait: float, *, was_probe: bool) -> None:
        is_new_pause = now >= self._until
        skips = is_new_pause and not was_probe and self._pauses_without_probe > 0
        self._pauses_without_probe -= skips
        self.pause(now, wait, probing=not was_probe and not skips)

    def _is_out_of_quota(self) -> bool:
        is_trusted = self._all_accepted >= _CALLS_TO_TRUST and not self._interval
        least = _REFUSALS_IN_A_ROW if is_trusted else self._refusals_to_hold
        return self._refused_in_a_row >= least

    def _pause_until_probe(self, now: float, wait: float) -> None:
        self._probe_wait, self._until = wait, now + wait
        self._probe_ticket, self._may_probe, self._is_open = None, False, False

    def _end_by_probe(self) -> None:
        """Open after a probe. An announced pause that was not needed says nothing about a pace."""
        was_unannounced, end = bool(self._probe_wait), self._until
        if self._probe_wait == _FIRST_PROBE:
            self._refusals_to_hold = _REFUSALS_IN_A_ROW
        self._pauses_to_skip = self._pauses_without_probe = 0
        self._probe_wait, self._probe_ticket, self._until = 0.0, None, 0.0
        if was_unannounced:
            self._accepted -= 1
            self._open(end, learns=True)
            # The probe is the first call of the next window.
            self._accepting_since, self._accepted = end, 1
        else:
            self._is_open, self._is_for_quota = True, False
            # The endpoint did not mean what it said: no quota is used up.
            self._interval = self._next_start = 0.0

    def _open(self, end: float, *, learns: bool) -> None:
        """End a pause; learn the pace from the calls that were accepted before its end."""
        if learns and self._accepting_since is not None and self._accepted:
            seconds = max(0.0, end - self._accepting_since)
            self._interval = min(_LONGEST_INTERVAL, seconds / self._accepted)
        if self._interval < _SHORTEST_INTERVAL:
            self._interval = 0.0
        self._next_start = end + self._interval if self._interval else 0.0
        self._is_open, self._is_for_quota = True, False
        self._accepting_since, self._accepted = None, 0
