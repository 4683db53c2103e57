"""Search an untrusted response body for fields and texts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Set

# These bound the work on one body.
_MAX_DEPTH, _MAX_ITEMS, _MAX_JSON_CHARS = 8, 200, 20_000


def fields_in(body: object, names: Set[str], depth: int = 0) -> Iterator[tuple[str, object]]:
    """The fields with one of these names, at any depth, also in JSON that stands in a text.

    Names are compared in lower case and without punctuation.

    >>> list(fields_in({"error": [{"retryDelay": "3s"}]}, {"retrydelay"}))
    [('retrydelay', '3s')]
    """
    if depth > _MAX_DEPTH:
        return
    if isinstance(body, Mapping):
        for key, value in body.items():
            name = re.sub(r"[^a-z]", "", str(key).lower())
            if name in names:
                yield name, value
            yield from fields_in(value, names, depth + 1)
    elif isinstance(body, list):
        for value in body[:_MAX_ITEMS]:
            yield from fields_in(value, names, depth + 1)
    elif isinstance(body, str) and body.startswith("{"):
        # Gateways pass on the body of the server behind them as text.
        yield from fields_in(_json_or_none(body), names, depth + 1)


def _json_or_none(text: str) -> object:
    try:
        return json.loads(text[:_MAX_JSON_CHARS])
    except (ValueError, RecursionError):
        return None


def texts_in(body: object, most_chars: int) -> Iterator[str]:
    """The texts in a body, a bounded number of them, each cut to `most_chars`.

    >>> list(texts_in({"a": ["b", {"c": "deep"}]}, 3))
    ['b', 'dee']
    """
    stack, left = [body], _MAX_ITEMS
    while stack and left:
        value = stack.pop()
        left -= 1
        if isinstance(value, Mapping):
            stack.extend(reversed(list(value.values())[:_MAX_ITEMS]))
        elif isinstance(value, list):
            stack.extend(reversed(value[:_MAX_ITEMS]))
        elif isinstance(value, str):
            yield value[:most_chars]
