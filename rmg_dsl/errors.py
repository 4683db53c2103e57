"""All exceptions that a caller can get, in one tree.

    RmgError
    ├── SpecError      the spec has mistakes; it holds every diagnostic
    ├── DataError      the rows cannot be read, or cannot be written
    ├── UsageError     a call or a command line that makes no sense
    └── ModelError     the judge cannot be asked: no model, no key, no such endpoint
        └── CallError  one call failed; it says whether another attempt may help

A row that cannot be scored is never an exception: it is a status (see `results`).
"""

from __future__ import annotations


class RmgError(Exception):
    """Everything that `rmg_dsl` raises on purpose.

    `code` is a row of the table of diagnostics where there is one: `rmg explain RMG602` says more.

    >>> issubclass(SpecError, RmgError) and issubclass(ModelError, RmgError)
    True
    """

    def __init__(self, message: str = "", *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class SpecError(RmgError):
    """A spec with mistakes: `diagnostics` holds all of them, `str()` shows them with their places.

    >>> import rmg_dsl as rmg
    >>> try:
    ...     rmg.loads("grader brief = wrods(response) <= 120")
    ... except rmg.SpecError as mistakes:
    ...     [d.code for d in mistakes.diagnostics if d.severity == "error"]
    ['RMG204']
    """

    def __init__(self, diagnostics: tuple[object, ...], text: str = "") -> None:
        super().__init__(text or "the spec has mistakes")
        # `object`, because this module is below `diagnostics` and cannot name its types.
        self.diagnostics = diagnostics


class DataError(RmgError):
    """Rows that cannot be read or written.

    The message names the file, and the row where one is at fault.
    """


class UsageError(RmgError):
    """A call or a command line that makes no sense; the message says what to write instead."""


class ModelError(RmgError):
    """A judge that cannot be asked at all.

    It is raised before the first call wherever that can be known.
    """


class CallError(ModelError):
    """One failed call: `status_code` (none when no answer came), `retryable`, `fatal` and
    `retry_after` in seconds.

    `fatal` says that no other call to this endpoint can do better (a wrong key, no such model,
    nobody listening). `rate_limited` says that a quota was used up, which fills again. `is_held`
    says that the limiter of the endpoint holds all calls because of this refusal.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        retryable: bool = False,
        fatal: bool = False,
        refused: bool = False,
        retry_after: float | None = None,
        attempts: int = 1,
        rate_limited: bool = False,
    ) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.retryable = retryable
        self.fatal = fatal
        self.refused = refused
        self.retry_after = retry_after
        self.attempts = attempts
        self.rate_limited = rate_limited
        self.is_held = False


class ArgumentError(TypeError):
    """A built-in function got a value of a kind that it does not take; the message says all."""
