"""The replies of one run in memory, for a run without the reply cache."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

# Some 100,000 replies with a reason. A run with more drops the oldest ones, and may ask them again.
MOST_BYTES = 64 << 20


class RunReplies:
    """A store like `ReplyCache` that ends with its run, so that equal requests are sent once.

    >>> replies = RunReplies()
    >>> replies.put(b"k" * 32, b'{"a": 1}')
    >>> replies.get(b"k" * 32)
    b'{"a": 1}'

    `most_bytes` limits the values; the oldest ones go first.
    """

    note = ""

    def __init__(
        self, *, clock: Callable[[], float] = time.time, most_bytes: int = MOST_BYTES
    ) -> None:
        self.clock = clock
        self._most_bytes = most_bytes
        self._bytes = 0
        self._values: dict[bytes, bytes] = {}

    def get(self, key: bytes, since: float = 0.0) -> bytes | None:  # noqa: ARG002 - as in a cache
        """The value of a key, or None. All values are of this run, whatever `since` is."""
        return self._values.get(key)

    def get_all(self, keys: Sequence[bytes], since: float = 0.0) -> dict[bytes, bytes]:  # noqa: ARG002
        """The values of those keys that have one."""
        return {key: self._values[key] for key in keys if key in self._values}

    def put(self, key: bytes, value: bytes, since: float = 0.0) -> None:  # noqa: ARG002
        """Store a value."""
        self._bytes += len(value) - len(self._values.pop(key, b""))
        self._values[key] = value
        while self._bytes > self._most_bytes and len(self._values) > 1:
            oldest = next(iter(self._values))
            self._bytes -= len(self._values.pop(oldest))

    def close(self) -> None:
        """Forget all values."""
        self._values.clear()
