"""The option line of a magic: options first, then anything to the end of the line. Pure text in, plain data out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

from rmg_dsl.api.options import Options
from rmg_dsl.errors import UsageError
from rmg_dsl.surfaces.cli_options import parse_model_flags, parse_param_flags

_OPTION = re.compile(r"--?[^\W\d][\w-]*")
_PARTIAL_OPTION = re.compile(r"-[\w-]*")
_VALUE = re.compile(r"""(?:"[^"]*"|'[^']*'|[^\s"'])+""")
_QUOTED = re.compile(r""""([^"]*)"|'([^']*)'""")
_BRACKET_PAIRS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Flag:
    """An option of a magic: `value` names what it wants, `option` the field of `Options` that it sets."""

    word: str
    metavar: str = ""
    help: str = ""
    option: str = ""
    is_repeatable: bool = False


Flags: TypeAlias = Mapping[str, Flag]

_NAME_FLAG = Flag("-o", "NAME", "keep the result under this name; NAME.df is the frame")
_FLAGS = (
    _NAME_FLAG,
    Flag(
        "--save",
        "FILE",
        "write the graded rows, in the format of its ending; may be repeated",
        is_repeatable=True,
    ),
    Flag(
        "--model",
        "[NAME=]MODEL",
        "the model to ask: provider/name, or a variable that holds one",
        "model",
        True,
    ),
    Flag("--set", "PARAM=VALUE", "another value for a param; may be repeated", "params", True),
    Flag("--limit", "N", "only the first N rows", "limit"),
    Flag("--sample", "N", "only N rows, drawn at random", "sample"),
    Flag("--seed", "N", "for --sample", "seed"),
    Flag("--only", "NAME,…", "only these graders or aggregates, and what they need", "only", True),
    Flag("--prefix", "TEXT", "put this before every new column", "prefix"),
    Flag("--concurrency", "N", "calls in flight at once, for each model", "concurrency"),
    Flag("--budget", "USD", "stop before the calls cost more than this", "budget"),
    Flag("--refresh", "", "ask again, and keep the new replies", "cache"),
    Flag("--no-cache", "", "neither use nor keep replies", "cache"),
    Flag("--log", "FILE", "write every request and raw reply, one JSON object a line", "log"),
    Flag(
        "--allow-python",
        "MODULE",
        "let the spec call functions of this module",
        "allow_python",
        True,
    ),
    Flag("--dry-run", "", "check everything, show the plan, call nobody"),
    Flag("--quiet", "", "no progress, and no table where -o keeps the result"),
)

GRADE_FLAGS: Flags = {
    flag.word: flag
    for flag in _FLAGS
    if flag.option in {"", *(each.name for each in fields(Options))}
}
RMG_FLAGS: Flags = {_NAME_FLAG.word: _NAME_FLAG}


@dataclass(frozen=True, slots=True)
class OptionLine:
    """What stood on the line: the values by option, the text of the options as it was, and the rest of the line."""

    values_by_option: Mapping[str, Sequence[str]]
    options_text: str = ""
    rest: str = ""
    flags: Flags = field(default_factory=dict)

    def single_value(self, word: str) -> str | None:
        """The value of an option that stands once, if it does."""
        return next(iter(self.values_by_option.get(word, ())), None)

    def all_values(self, word: str) -> tuple[str, ...]:
        """The values of an option that may be repeated."""
        return tuple(self.values_by_option.get(word, ()))

    def __contains__(self, word: str) -> bool:
        return word in self.values_by_option


def parse_option_line(text: str, flags: Flags, magic: str = "%%grade") -> OptionLine:
    """The options in front, and the rest of the line as it is. Raises UsageError, with the line to write instead.

    >>> line = parse_option_line('-o x --limit 5 df[df.lang == "en"].head(50)', GRADE_FLAGS)
    >>> line.single_value("-o"), line.single_value("--limit"), line.rest
    ('x', '5', 'df[df.lang == "en"].head(50)')
    """
    line = _parse_options(text, flags)
    place = find_misplaced_option(line.rest)
    if place is None:
        return line
    late = _parse_options(line.rest[place:], flags)  # an option that is none at all is told first
    parts = (magic, line.options_text, late.options_text, line.rest[:place].strip(), late.rest)
    raise UsageError(f"options stand before the data: `{' '.join(part for part in parts if part)}`")


@dataclass(frozen=True, slots=True)
class PartialOptionLine:
    """The end of an option line that is being written: what stands in it, the option whose value it is in (a dash where
    it is an option itself), what is typed of that, and where the data's expression begins, if it has begun.
    """

    present_flags: frozenset[str]
    option: str = ""
    typed_text: str = ""
    data_start: int | None = None


def parse_partial_line(text: str, flags: Flags) -> PartialOptionLine:
    """What is being written at the end of a line, in which anything may be missing; never raises.

    >>> parse_partial_line("-o x --lim", GRADE_FLAGS).option, parse_partial_line("-o x --model open", GRADE_FLAGS).option
    ('-', '--model')
    >>> parse_partial_line("-o x df.he", GRADE_FLAGS).data_start
    5
    """
    given: set[str] = set()
    at = _skip_blanks(text, 0)
    while (found := _PARTIAL_OPTION.match(text, at)) is not None:
        flag, at = flags.get(found[0]), found.end()
        if at == len(text):
            return PartialOptionLine(frozenset(given), "-", found[0])
        given.add(found[0])
        if flag is not None and flag.metavar:
            start = _skip_blanks(text, at + (text[at] == "="))
            value = _VALUE.match(text, start)
            at = value.end() if value else len(text)
            if at == len(text):
                return PartialOptionLine(frozenset(given), flag.word, text[start:])
        at = _skip_blanks(text, at)
    return PartialOptionLine(frozenset(given), data_start=at)


def _parse_options(text: str, flags: Flags) -> OptionLine:
    given: dict[str, list[str]] = {}
    at = _skip_blanks(text, 0)
    while found := _OPTION.match(text, at):
        flag = _find_flag(found[0], flags)
        value, at = _parse_flag_value(text, found.end(), flag, flags)
        if flag.word in given and not flag.is_repeatable:
            raise UsageError(f"`{flag.word}` is given twice")
        given.setdefault(flag.word, []).append(value)
        at = _skip_blanks(text, at)
    return OptionLine(given, text[:at].strip(), text[at:].strip(), flags)


def _find_flag(word: str, flags: Flags) -> Flag:
    if word in flags:
        return flags[word]
    close = difflib.get_close_matches(word, flags, n=1)
    advice = f"did you mean `{close[0]}`?" if close else f"there are {', '.join(flags)}"
    raise UsageError(f"there is no option `{word}`: {advice}")


def _parse_flag_value(text: str, at: int, flag: Flag, flags: Flags) -> tuple[str, int]:
    """The value of an option, after a blank or an equals sign, without its quotes; and where it ends."""
    assigned = text[at : at + 1] == "="
    if not flag.metavar:
        if assigned:
            raise UsageError(f"`{flag.word}` takes no value")
        return "", at
    found = _VALUE.match(text, at + 1 if assigned else _skip_blanks(text, at))
    if found is None or (found[0] in flags and not assigned):
        raise UsageError(f"`{flag.word}` wants a value: `{flag.word} {flag.metavar}`")
    if text[found.end() : found.end() + 1] in ('"', "'"):
        raise UsageError(f"`{flag.word}`: a quote is not closed in {text[found.start() :]}")
    return _QUOTED.sub(lambda quoted: quoted[1] or quoted[2] or "", found[0]), found.end()


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def find_misplaced_option(text: str) -> int | None:
    """Where an option stands after the data, outside of brackets and quotes.

    >>> find_misplaced_option('df[df.a == " -o "] -o x'), find_misplaced_option("df[a -o] - 1")
    (19, None)
    """
    open_brackets, at = [], 0
    while at < len(text):
        char = text[at]
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
        at += 2 if text[at] == "\\" else 1
    return at


def _is_option(text: str, at: int) -> bool:
    found = _OPTION.match(text, at)
    if found is None or not (at > 0 and text[at - 1].isspace()):
        return False
    return found[0].startswith("--") or (
        found[0] == "-o" and text[found.end() : found.end() + 1] in ("", " ", "=")
    )


# ── what they mean ───────────────────────────────────────────────────────────────────────────────────────────────


def options_from_line(line: OptionLine, names: Mapping[str, object]) -> dict[str, Any]:
    """The keyword arguments that the line asks for; `names` are the variables that `--model` may mean.

    >>> options_from_line(parse_option_line("--limit 5 --set floor=3 df", GRADE_FLAGS), {})
    {'limit': 5, 'params': {'floor': '3'}}
    """
    found: dict[str, Any] = {}
    for word in ("--limit", "--sample", "--seed", "--concurrency"):
        if word in line:
            found[line.flags[word].option] = _parse_int_flag(word, line.single_value(word) or "")
    if "--budget" in line:
        found["budget"] = _parse_float_flag("--budget", line.single_value("--budget") or "")
    for word in ("--prefix", "--log"):
        if word in line:
            found[line.flags[word].option] = line.single_value(word)
    return found | _model_and_cache_options(line, names)


def _model_and_cache_options(line: OptionLine, names: Mapping[str, object]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "--model" in line:
        found["model"] = _resolve_model_names(parse_model_flags(line.all_values("--model")), names)
    if "--set" in line:
        found["params"] = parse_param_flags(line.all_values("--set"))
    if "--only" in line:
        found["only"] = tuple(
            name.strip()
            for each in line.all_values("--only")
            for name in each.split(",")
            if name.strip()
        )
    if "--allow-python" in line:
        found["allow_python"] = line.all_values("--allow-python")
    if "--refresh" in line and "--no-cache" in line:
        raise UsageError(
            "`--refresh` asks again and keeps the replies, `--no-cache` keeps none: give one of them"
        )
    if "--refresh" in line or "--no-cache" in line:
        found["cache"] = "refresh" if "--refresh" in line else False
    return found


def _resolve_model_names(
    chosen: str | Mapping[str, str] | None, names: Mapping[str, object]
) -> Any:
    """A model's name has a slash; a word without one is a variable of the notebook, where there is such a variable."""
    if isinstance(chosen, Mapping):
        return {name: _resolve_model_names(text, names) for name, text in chosen.items()}
    return names.get(chosen, chosen) if chosen is not None and "/" not in chosen else chosen


def _parse_int_flag(word: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"`{word}` is a whole number, not {text!r}") from None


def _parse_float_flag(word: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"`{word}` is a number, not {text!r}") from None


def describe_flags(flags: Iterable[Flag]) -> str:
    """The options for a help text, one a line.

    >>> print(describe_flags([Flag("--limit", "N", "only the first N rows")]))
      --limit N                only the first N rows
    """
    return "\n".join(f"  {f'{flag.word} {flag.metavar}'.strip():<24} {flag.help}" for flag in flags)
