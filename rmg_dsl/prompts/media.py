"""Images and other media in a row: printed as text, a judge would grade their bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping

_DATA_URL = re.compile(r"\s*data:(image|audio|video|application/pdf)[^,\s]*;base64,", re.IGNORECASE)
# How the usual formats start, as base64: PNG, JPEG, GIF, WebP, PDF.
_BASE64_STARTS = ("iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "JVBERi0")
_RAW_STARTS = ("\x89PNG", "\xff\xd8\xff", "GIF87a", "GIF89a", "%PDF-")
_SHORTEST_BASE64 = 64
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_PART_TYPES = frozenset({"image_url", "input_image", "image", "input_audio", "audio"})
_PART_KEYS = _PART_TYPES | {"source", "data"}


def is_media(value: object) -> bool:
    """Whether a value is an image, a sound or a PDF: a data URL, its bytes, or a part of a message.

    >>> is_media("data:image/png;base64,AAAA"), is_media("an image of a cat")
    (True, False)
    >>> is_media([{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {}}])
    True
    """
    if isinstance(value, str):
        return _is_media_text(value)
    if isinstance(value, Mapping):
        return _is_media_part(value) or any(map(is_media, value.values()))
    if isinstance(value, list | tuple):
        return any(map(is_media, value))
    return False


def _is_media_text(text: str) -> bool:
    if _DATA_URL.match(text) or text.startswith(_RAW_STARTS):
        return True
    if len(text) < _SHORTEST_BASE64 or not text.startswith(_BASE64_STARTS):
        return False
    return _BASE64.fullmatch(text) is not None


def _is_media_part(part: Mapping[object, object]) -> bool:
    if part.get("type") in _PART_TYPES and not _PART_KEYS.isdisjoint(part):
        return True
    # As datasets store images: their bytes, and a path.
    return "bytes" in part and set(part) <= {"bytes", "path"} and part["bytes"] is not None
