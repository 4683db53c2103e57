"""Graders and row functions of a text: its length, its content, its beginning and end."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from unicodedata import normalize

from rmg_dsl.cells import unpack_cell
from rmg_dsl.errors import ArgumentError
from rmg_dsl.patterns import search_pattern


def words(text: str) -> int:
    """Count the words of a text: the parts between white space.

    >>> words("It's 3 o'clock."), words(""), words("你好 世界")
    (3, 0, 2)

    Punctuation counts as part of its word. Chinese and Japanese have no spaces to count by: use
    `chars`.
    """
    return len(text.split())


def chars(text: str) -> int:
    r"""Count the characters of a text: Unicode code points, white space included.

    >>> chars("naïve\n"), chars(""), chars("👍🏽")
    (6, 0, 2)

    A visible character may be several code points: `é` in NFD is two, a family emoji up to seven.
    """
    return len(text)


def length(value: str | Sequence[object] | Mapping[str, object]) -> int:
    """Count the items of a list, the keys of an object or the characters of a text.

    >>> length(["a", "b"]), length("abc"), length([])
    (2, 3, 0)
    """
    value = unpack_cell(value)
    if not isinstance(value, str | Sequence | Mapping):
        raise ArgumentError(f"`length` wants a list, an object or a text, and this is {value!r}")
    return len(value)


def lower(text: str) -> str:
    """Return the text in small letters.

    >>> lower("ÀB c")
    'àb c'
    """
    return text.lower()


def upper(text: str) -> str:
    """Return the text in capital letters.

    >>> upper("àb ß")
    'ÀB SS'
    """
    return text.upper()


def strip(text: str) -> str:
    r"""Return the text without white space before and after it.

    >>> strip("  a b\n")
    'a b'
    """
    return text.strip()


def contains(text: str, part: str, ignore_case: bool = False) -> bool:
    """Return whether the part occurs in the text.

    >>> contains("Refund in 30 days", "30 days"), contains("Refund", "refund")
    (True, False)
    >>> contains("Refund", "refund", True)
    True

    Every text contains the empty part. `ignore_case` compares casefolded, so `STRASSE` contains
    `straße`. Code points are compared as they are: NFC and NFD differ.
    """
    if ignore_case:
        return part.casefold() in text.casefold()
    return part in text


def contains_all(text: str, parts: Sequence[str], ignore_case: bool = False) -> bool:
    """Return whether every part occurs in the text.

    >>> contains_all("red, green and blue", ["blue", "red"]), contains_all("red", ["red", "blue"])
    (True, False)

    True where the list is empty. A text in place of the list raises TypeError: its letters are not
    parts.
    """
    return all(contains(text, part, ignore_case) for part in _require_list(parts))


def contains_any(text: str, parts: Sequence[str], ignore_case: bool = False) -> bool:
    """Return whether at least one of the parts occurs in the text.

    >>> contains_any("I am sorry", ["sorry", "apologise"])
    True
    >>> contains_any("Done.", ["sorry"]), contains_any("a", [])
    (False, False)

    False where the list is empty. A text in place of the list raises TypeError: its letters are not
    parts.
    """
    return any(contains(text, part, ignore_case) for part in _require_list(parts))


def _require_list(parts: Sequence[str]) -> Sequence[str]:
    if isinstance(parts, str):
        raise ArgumentError(f"wants a list of texts, got the text {parts!r}: write [{parts!r}]")
    for place, part in enumerate(parts):
        if not isinstance(part, str):
            raise ArgumentError(f"part {place} of the list is no text: {part!r}")
    return parts


def starts_with(text: str, prefix: str) -> bool:
    """Return whether the text begins with the prefix, case and white space included.

    >>> starts_with("Dear Ana,", "Dear"), starts_with(" Dear", "Dear"), starts_with("", "")
    (True, False, True)
    """
    return text.startswith(prefix)


def ends_with(text: str, suffix: str) -> bool:
    r"""Return whether the text ends with the suffix, case and white space included.

    >>> ends_with("Is it?", "?"), ends_with("Is it?\n", "?"), ends_with("", "")
    (True, False, True)
    """
    return text.endswith(suffix)


def matches(text: str, pattern: str) -> bool:
    r"""Return whether the regular expression matches anywhere in the text, in the syntax of `re`.

    >>> matches("Order #4711", r"#\d{4}"), matches("Order", r"^\d+$"), matches("YES", "(?i)yes")
    (True, False, True)

    Anchor it with `^` and `$` to ask for the whole text; flags go inside, as `(?i)`. A faulty
    pattern raises `re.error`, and one that takes more than a second ValueError.
    """
    return search_pattern(pattern, text) is not None


def extract(text: str, pattern: str, group: int | str | None = None) -> str | None:
    r"""Return the first match of the regular expression: its first group, or all of it if none.

    >>> extract("Answer: 42 (of 50)", r"Answer: (\d+)"), extract("42 of 50", r"\d+")
    ('42', '42')
    >>> extract("none", r"\d+") is None
    True
    >>> extract("3 of 50", r"(\d+) of (?P<most>\d+)", "most")
    '50'
    >>> extract("3 of 50", r"(\d+) of (\d+)", 0)
    '3 of 50'

    `group` selects another group by number or name; 0 is the whole match. None where nothing
    matches, or the group is not part of the match. A group that the pattern does not have raises
    IndexError, and a pattern that takes more than a second ValueError.
    """
    match = search_pattern(pattern, text)
    if match is None:
        return None
    if group is None:
        group = min(1, match.re.groups)
    selected: str | None = match[group]
    return selected


_WHOLE = re.compile(r"[-+]?\d+")
_REAL = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def exact(response: str | float, reference: str | float) -> bool:
    """Return whether the response equals the reference: the same text or the same number.

    >>> exact("Paris", "Paris"), exact("paris", "Paris"), exact("Paris ", "Paris")
    (True, False, False)
    >>> exact(1, 1.0), exact("4.0", 4), exact("four", 4), exact("4.0", "4")
    (True, True, False, False)

    Texts are equal code point by code point: case, white space, NFC and NFD count. Numbers compare
    as numbers, and so does a text with a number, since one file spells `4` what another stores as
    4.0; two texts always compare as texts. A bool is 1 or 0, as elsewhere in the language.
    """
    if isinstance(response, str) and not isinstance(reference, str):
        return _text_equals_number(response, reference)
    if isinstance(reference, str) and not isinstance(response, str):
        return _text_equals_number(reference, response)
    return bool(response == reference)


def _text_equals_number(text: str, number: float) -> bool:
    text = text.strip()
    # By Decimal: a long identifier would lose its last digits in a float.
    if _WHOLE.fullmatch(text):
        return Decimal(text) == number
    return _REAL.fullmatch(text) is not None and float(text) == number


def exact_ci(response: str | float, reference: str | float) -> bool:
    r"""Return whether both are equal apart from case and surrounding white space.

    >>> exact_ci(" PARIS\n", "paris"), exact_ci("Straße", "STRASSE"), exact_ci("Paris.", "Paris")
    (True, True, False)

    Texts are stripped, casefolded and brought to one normal form, so NFC and NFD are alike; white
    space and punctuation inside count. With a number on either side it is `exact`.
    """
    if isinstance(response, str) and isinstance(reference, str):
        return _normalize_caseless(response) == _normalize_caseless(reference)
    return exact(response, reference)


def _normalize_caseless(text: str) -> str:
    decomposed = normalize("NFD", text.strip())
    # Casefolding may leave the normal form, so it is restored.
    return normalize("NFD", decomposed.casefold())


def join(items: Sequence[str | float | None], separator: str = "\n") -> str:
    r"""Return the items of a list as one text, with the separator between them.

    >>> join(["first", "second"]), join([1, 2.5, "x"], ", "), join([])
    ('first\nsecond', '1, 2.5, x', '')

    Items are texts or numbers. A null item (None or NaN) raises ValueError, so that no "None"
    reaches a prompt. A bool, a list or an object raises TypeError, and so does a text in place of
    the list.
    """
    if isinstance(items, str):
        raise ArgumentError(f"join wants a list, got the text {items!r}")
    return separator.join(_item_text(item, place) for place, item in enumerate(items))


def _item_text(value: object, place: int) -> str:
    # NaN, which is a null too, does not equal itself.
    if value is None or value != value:
        raise ValueError(f"item {place} of the list is null")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        kind = type(value).__name__
        raise ArgumentError(f"item {place} of the list is a {kind}, not a text or a number")
    return str(value)


def transcript(messages: Sequence[Mapping[str, object]]) -> str:
    r"""Return a conversation as text: a line `role: content` for each message.

    >>> turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]
    >>> print(transcript(turns))
    user: Hi
    assistant: Hello!
    >>> parts = [{"type": "text", "text": "See"}, {"type": "image_url"}]
    >>> transcript([{"role": "user", "content": parts}])
    'user: See\n[image_url]'

    Content is a text or a list of parts, as chat APIs have it: each text part is on a line of its
    own, other parts are their type in brackets. Tool calls follow as `[name(arguments)]`. An empty
    list is the empty text. A message with no role, or with neither content nor tool calls, raises
    ValueError. Content or calls of another shape raise TypeError.
    """
    turns = [_transcript_turn(message, place) for place, message in enumerate(messages)]
    return "\n".join(turns)


def _transcript_turn(message: Mapping[str, object], place: int) -> str:
    if not isinstance(message, Mapping):
        raise ArgumentError(f"message {place} is no object with a role and content: {message!r}")
    role, content, calls = message.get("role"), message.get("content"), message.get("tool_calls")
    if not isinstance(role, str):
        raise ValueError(f"message {place} has no role")
    # A message of tool calls has no content of its own.
    if content is None and not calls:
        raise ValueError(f"message {place} has no content")
    lines = _content_lines(content, place)
    lines += _tool_call_lines(calls or [], place)
    return f"{role}: " + "\n".join(lines)


def _content_lines(content: object, place: int) -> list[str]:
    match content:
        case None | "":
            return []
        case str():
            return [content]
        case list() | tuple():
            return [_content_part_text(part, place) for part in content]
        case _:
            kind = type(content).__name__
            raise ArgumentError(
                f"the content of message {place} is a {kind}, not a text or a list of parts"
            )


def _content_part_text(part: object, place: int) -> str:
    match part:
        case str():
            return part
        case {"text": str(text)}:
            return text
        case {"type": str(kind)}:
            return f"[{kind}]"
        case _:
            raise ArgumentError(
                f"a content part of message {place} is neither a text nor an object with a type"
            )


def _tool_call_lines(calls: object, place: int) -> list[str]:
    match calls:
        case list() | tuple():
            return [_tool_call_text(call, place) for call in calls]
        case _:
            raise ArgumentError(f"the tool calls of message {place} are no list")


def _tool_call_text(call: object, place: int) -> str:
    match call:
        case {"function": {"name": str(name), "arguments": arguments}}:
            return f"[{name}({arguments})]"
        case _:
            raise ArgumentError(
                f"a tool call of message {place} has no function with a name and arguments"
            )
