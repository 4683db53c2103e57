"""A model as far as its cache goes: which questions are one and the same, and what was answered. It asks nobody."""

from __future__ import annotations

from collections.abc import Callable

from rmg_dsl.messages import Reply, Request
from rmg_dsl.models.cache import ReplyCache
from rmg_dsl.models.providers.chat_completion import reply_from_cache


class ReplyLookup:
    """What is known of a model without asking it; without a `cache` only which questions are one.

    >>> ReplyLookup("openai/gpt-6-luna", lambda _: b"k" * 32).cached_reply(b"k" * 32)
    """

    def __init__(
        self,
        name: str,
        identity: Callable[[Request], bytes | None],
        cache: ReplyCache | None = None,
    ) -> None:
        self.cache_key = identity
        self._name = name
        self._cache = cache

    def cached_reply(self, key: bytes) -> Reply | None:
        """The reply to the question with this key, with the tokens that it took when it was asked."""
        return reply_from_cache(self._cache.get(key), self._name) if self._cache else None
