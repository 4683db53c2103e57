"""The cached replies of one model, read without a call: for the cost estimate of a run."""

from __future__ import annotations

from collections.abc import Callable

from rmg_dsl.messages import Reply, Request
from rmg_dsl.models.cache import ReplyCache
from rmg_dsl.models.cached_reply import decode_reply


class ReplyLookup:
    """The cache keys of a model, and its replies in `cache`; without a `cache` the keys only.

    >>> ReplyLookup(lambda _: b"k" * 32).cached_reply(b"k" * 32)
    """

    def __init__(
        self, cache_key: Callable[[Request], bytes | None], cache: ReplyCache | None = None
    ) -> None:
        self.cache_key = cache_key
        self._cache = cache

    def cached_reply(self, key: bytes) -> Reply | None:
        """The reply with this key, and the tokens that it took when the model was called."""
        if self._cache is None:
            return None
        return decode_reply(self._cache.get(key))
