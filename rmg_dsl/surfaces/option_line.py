"""The option line of a magic: options first, then any text to the end of the line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from rmg_dsl.api.options import Flag, option_flags
from rmg_dsl.errors import UsageError
from rmg_dsl.surfaces.cli_options import DRY_RUN_FLAG, options_from_flags

_OPTION = re.compile(r"--?[^\W\d][\w-]*")
_PARTIAL_OPTION = re.compile(r"-[\w-]*")
_VALUE = re.compile(r"""(?:"[^"]*"|'[^']*'|[^\s"'])+""")
_QUOTED = re.compile(r""""([^"]*)"|'([^']*)'""")
_BRACKET_PAIRS = {"(": ")", "[": "]", "{": "}"}


Flags: TypeAlias = Mapping[str, Flag]


def _table_flags() -> Iterator[Flag]:
    for flag in option_flags():
        if flag.option == "model":
            # In a notebook a model can be an object, so a variable can name it.
            yield flag._replace(
                metavar="[NAME=]MODEL", help=f"{flag.help}; MODEL can be a variable that holds one"
            )
        else:
            yield flag


_NAME_FLAG = Flag("-o", "NAME", "assign the result to this variable; NAME.df is the frame")
_GRADE_FLAGS = (
    _NAME_FLAG,
    Flag(
        "--save",
        "FILE",
        "write the graded rows, in the format of the file's ending; may be repeated",
        is_repeatable=True,
    ),
    *_table_flags(),
    DRY_RUN_FLAG,
    Flag("--quiet", help="show no progress, and no result where -o names it"),
)

GRADE_FLAGS: Flags = {flag.word: flag for flag in _GRADE_FLAGS}
RMG_FLAGS: Flags = {_NAME_FLAG.word: _NAME_FLAG}


@dataclass(frozen=True, slots=True)
class OptionLine:
    """A line that was read: values by option, the text of the options, and the rest of the line."""

    values_by_option: Mapping[str, Sequence[str]]
    options_text: str = ""
    rest: str = ""
    flags: Flags = field(default_factory=dict)

    def single_value(self, word: str) -> str | None:
        """The value of an option, or None where it is not on the line."""
        return next(iter(self.values_by_option.get(word, ())), None)

    def all_values(self, word: str) -> tuple[str, ...]:
        """The values of an option that may be repeated, in order."""
        return tuple(self.values_by_option.get(word, ()))

    def __contains__(self, word: str) -> bool:
        return word in self.values_by_option


def parse_option_line(text: str, flags: Flags, magic: str = "%%grade") -> OptionLine:
    """Read the options in front; the rest of the line stays as it is.

    >>> line = parse_option_line('-o x --limit 5 df[df.lang == "en"].head(50)', GRADE_FLAGS)
    >>> line.single_value("-o"), line.single_value("--limit"), line.rest
    ('x', '5', 'df[df.lang == "en"].head(50)')

    Raises UsageError for an unknown or misplaced option, with the line to write instead.
    """
    line = _parse_options(text, flags)
    place = find_misplaced_option(line.rest)
    if place is None:
        return line
    # This raises for an unknown option, which is the better message.
    late = _parse_options(line.rest[place:], flags)
    parts = (magic, line.options_text, late.options_text, line.rest[:place].strip(), late.rest)
    raise UsageError(f"options stand before the data: `{' '.join(part for part in parts if part)}`")


@dataclass(frozen=True, slots=True)
class PartialOptionLine:
    """An option line that is being typed, seen from its end.

    `option` is the option whose value is being typed, or "-" while the option itself is typed, and
    `typed_text` what is there of it. `data_start` is where the expression of the data begins.
    """

    present_flags: frozenset[str]
    option: str = ""
    typed_text: str = ""
    data_start: int | None = None


def parse_partial_line(text: str, flags: Flags) -> PartialOptionLine:
    """Find what is being typed at the end of a line. It never raises: anything may be missing.

    >>> parse_partial_line("-o x --lim", GRADE_FLAGS).option
    '-'
    >>> parse_partial_line("-o x --model open", GRADE_FLAGS).option
    '--model'
    >>> parse_partial_line("-o x df.he", GRADE_FLAGS).data_start
    5
    """
    present: set[str] = set()
    at = _skip_blanks(text, 0)
    while (match := _PARTIAL_OPTION.match(text, at)) is not None:
        flag, at = flags.get(match[0]), match.end()
        if at == len(text):
            return PartialOptionLine(frozenset(present), "-", match[0])
        present.add(match[0])
        if flag is not None and flag.metavar:
            start = _skip_blanks(text, at + (text[at] == "="))
            value = _VALUE.match(text, start)
            # No match: a quote that is still open.
            at = value.end() if value else len(text)
            if at == len(text):
                return PartialOptionLine(frozenset(present), flag.word, text[start:])
        at = _skip_blanks(text, at)
    return PartialOptionLine(frozenset(present), data_start=at)


def _parse_options(text: str, flags: Flags) -> OptionLine:
    values: dict[str, list[str]] = {}
    at = _skip_blanks(text, 0)
    while match := _OPTION.match(text, at):
        flag = _find_flag(match[0], flags)
        value, at = _parse_flag_value(text, match.end(), flag, flags)
        if flag.word in values and not flag.is_repeatable:
            raise UsageError(f"`{flag.word}` is given twice")
        values.setdefault(flag.word, []).append(value)
        at = _skip_blanks(text, at)
    return OptionLine(values, text[:at].strip(), text[at:].strip(), flags)


def _find_flag(word: str, flags: Flags) -> Flag:
    if word in flags:
        return flags[word]
    advice = f"there are {', '.join(flags)}"
    if close := difflib.get_close_matches(word, flags, n=1):
        advice = f"did you mean `{close[0]}`?"
    raise UsageError(f"there is no option `{word}`: {advice}")


def _parse_flag_value(text: str, at: int, flag: Flag, flags: Flags) -> tuple[str, int]:
    """The value of an option, after a blank or an equals sign and without quotes, and its end."""
    has_equals = text[at : at + 1] == "="
    if not flag.metavar:
        if has_equals:
            raise UsageError(f"`{flag.word}` takes no value")
        return "", at
    start = at + 1 if has_equals else _skip_blanks(text, at)
    match = _VALUE.match(text, start)
    # After `=` even the name of an option is a value.
    if match is None or (match[0] in flags and not has_equals):
        raise UsageError(f"`{flag.word}` wants a value: `{flag.word} {flag.metavar}`")
    if text[match.end() : match.end() + 1] in ('"', "'"):
        raise UsageError(f"`{flag.word}`: a quote is not closed in {text[match.start() :]}")
    return _QUOTED.sub(_without_quotes, match[0]), match.end()


def _without_quotes(quoted: re.Match[str]) -> str:
    return quoted[1] or quoted[2] or ""


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def find_misplaced_option(text: str) -> int | None:
    """The place of an option after the data, outside of brackets and quotes, or None.

    >>> find_misplaced_option('df[df.a == " -o "] -o x'), find_misplaced_option("df[a -o] - 1")
    (19, None)
    """
    open_brackets, at = [], 0
    while at < len(text):
        char = text[at]
        # The data is a Python expression, and this begins a comment.
        if char == "#":
            break
        if char in "\"'":
            at = _end_of_quote(text, at)
        elif char in _BRACKET_PAIRS:
            open_brackets.append(_BRACKET_PAIRS[char])
        elif open_brackets and char == open_brackets[-1]:
            open_brackets.pop()
        elif char == "-" and not open_brackets and _is_option(text, at):
            return at
        at += 1
    return None


def _end_of_quote(text: str, at: int) -> int:
    quote, at = text[at], at + 1
    while at < len(text) and text[at] != quote:
        # A backslash takes the next character with it, also a quote.
        at += 2 if text[at] == "\\" else 1
    return at


def _is_option(text: str, at: int) -> bool:
    match = _OPTION.match(text, at)
    if match is None or at == 0 or not text[at - 1].isspace():
        return False
    if match[0].startswith("--"):
        return True
    # `df -o` may be a subtraction: only `-o` as a word of its own is the option.
    return match[0] == "-o" and text[match.end() : match.end() + 1] in ("", " ", "=")


# ── the options that the flags set ──


def options_from_line(line: OptionLine, names: Mapping[str, object]) -> dict[str, object]:
    """The keyword arguments that the line sets; `--model` may name one of the variables `names`.

    >>> options_from_line(parse_option_line("--limit 5 --set floor=3 df", GRADE_FLAGS), {})
    {'params': {'floor': '3'}, 'limit': 5}
    """
    values = {
        word: [_convert_value(line.flags[word], text) for text in texts]
        for word, texts in line.values_by_option.items()
    }
    options = options_from_flags(values)
    if "model" in options:
        options["model"] = _resolve_model_names(options["model"], names)
    return options


def _convert_value(flag: Flag, text: str) -> str | int | float:
    try:
        return flag.convert(text)
    except ValueError:
        number = "a whole number" if flag.convert is int else "a number"
        raise UsageError(f"`{flag.word}` is {number}, not {text!r}") from None


def _resolve_model_names(choice: object, names: Mapping[str, object]) -> object:
    """Replace the name of a variable by its value. The name of a model has a slash instead."""
    if isinstance(choice, Mapping):
        return {name: _resolve_model_names(text, names) for name, text in choice.items()}
    if isinstance(choice, str) and "/" not in choice:
        return names.get(choice, choice)
    return choice


def describe_flags(flags: Iterable[Flag]) -> str:
    """Flags for a help text, one per line.

    >>> print(describe_flags([Flag("--limit", "N", "only the first N rows")]))
      --limit N                only the first N rows
    """
    names = {f"{flag.word} {flag.metavar}".strip(): flag.help for flag in flags}
    return "\n".join(f"  {name:<24} {help}" for name, help in names.items())
