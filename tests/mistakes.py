"""Mistakes for the tests: seeded changes of a sound spec, each with its kind and the line on which
it was made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import NamedTuple

_LEXEME = re.compile(
    r'(?P<string>(?:(?<!\w)r)?(?:"""(?:[^"\\]|\\.|"(?!""))*"""|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'))'
    r"|(?P<comment>\#[^\n]*)|(?P<newline>\n)|(?P<blank>[ ]+)|(?P<number>\d+\.(?!\.)\d*|\d+)|(?P<word>\w+)"
    r"|(?P<sign>->|==|!=|<=|>=|\.\.|.)",
    re.S,
)
_KEYWORDS = frozenset(
    "rmg from param model fields grader pairwise ranking aggregate refine require validate import against when".split()
)
_DECLARED = re.compile(
    r"^(?:param|model|grader|pairwise|ranking|aggregate) (\w+)|^    (\w+) = ", re.M
)
_HEAD = re.compile(r"^[a-z]", re.M)
_RESERVED = ("if", "else", "and", "or", "not", "in", "True", "None")
_STRAY = (
    "reward",
    "5",
    '"text"',
    "(",
    ")",
    "[",
    ",",
    "=",
    "==",
    ":",
    "->",
    "and",
    "if",
    "..",
    "|",
    "+",
    "not",
    "grader",
)
_JUNK = (
    "asdf qwer",
    "TODO: write this",
    "----------",
    "<<<<<<< HEAD",
    "```",
    "def score(row):",
    "print(reward)",
    "import os",
    "// relevance",
    "}",
    "relevance",
    "return 1",
    "Rate the response from 1 to 5.",
    "- relevance: 0.4",
    "end",
)


class Token(NamedTuple):
    """A piece of a spec's text, as it was written."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


class Edit(NamedTuple):
    """Write `text` in place of the characters from `start` to `end`; the mistake stands `at`
    characters into `text`.
    """

    start: int
    end: int
    text: str
    at: int = 0


class Mistake(NamedTuple):
    """A spec with mistakes, the line of each (from 1), and their kinds."""

    text: str
    lines: tuple[int, ...]
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Spec:
    """A sound spec, cut into tokens."""

    text: str

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        found = _LEXEME.finditer(self.text)
        return tuple(Token(str(m.lastgroup), m.group(), m.start()) for m in found)

    @cached_property
    def written(self) -> tuple[Token, ...]:
        """The tokens that mean something: no blanks, no comments."""
        return tuple(t for t in self.tokens if t.kind not in ("blank", "comment", "newline"))

    @cached_property
    def names(self) -> frozenset[str]:
        keys = {
            "prompt",
            "system",
            "score",
            "rubric",
            "model",
            "samples",
            "pool",
            "until",
            "rounds",
            "compare",
            "pass",
        }
        return frozenset(a or b for a, b in _DECLARED.findall(self.text)) - keys

    def line_of(self, offset: int) -> int:
        return self.text.count("\n", 0, offset) + 1

    def start_of_line(self, offset: int) -> int:
        return self.text.rfind("\n", 0, offset) + 1

    def end_of_line(self, offset: int) -> int:
        found = self.text.find("\n", offset)
        return len(self.text) if found < 0 else found

    def chunk_of(self, offset: int) -> int:
        """The number of the declaration in which a place lies."""
        return len(_HEAD.findall(self.text, 0, self.end_of_line(offset)))

    def firsts(self) -> list[Token]:
        """The first token of each line that begins a statement: not inside brackets or texts."""
        found, depth, fresh = [], 0, True
        for token in self.tokens:
            if token.kind == "newline":
                fresh = fresh or not depth
            elif token.kind not in ("blank", "comment"):
                if fresh:
                    found.append(token)
                fresh = False
                depth += (token.text in "([") - (token.text in ")]") if token.kind == "sign" else 0
        return found

    def pick(self, random: Random, wanted: Callable[[Token], bool]) -> Token | None:
        found = [t for t in self.written if wanted(t)]
        return random.choice(found) if found else None

    def search(self, random: Random, pattern: str) -> re.Match[str] | None:
        found = list(re.finditer(pattern, self.text, re.M))
        return random.choice(found) if found else None

    def in_code(self, offset: int) -> bool:
        """Does a place lie outside of texts and comments?"""
        return not any(
            t.start < offset < t.end for t in self.tokens if t.kind in ("string", "comment")
        )


Maker = Callable[[Spec, Random], Edit | None]
MAKERS: dict[str, Maker] = {}


def _maker(make: Maker) -> Maker:
    MAKERS[make.__name__] = make
    return make


def _without(token: Token | None) -> Edit | None:
    return Edit(token.start, token.end, "") if token else None


def _instead(token: Token | None, text: str) -> Edit | None:
    return Edit(token.start, token.end, text) if token else None


def _over(found: re.Match[str] | None, text: str, group: int = 0) -> Edit | None:
    return Edit(found.start(group), found.end(group), text) if found else None


def _slip(word: str, random: Random) -> str:
    """A word with a slip of the fingers: two letters swapped, one dropped or doubled."""
    at = random.randrange(1, len(word) - 1)
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return random.choice((swapped, word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:]))


def _misspelt(token: Token | None, random: Random) -> Edit | None:
    return _instead(token, _slip(token.text, random)) if token and len(token.text) > 3 else None


# ── Signs ─────────────────────────────────────────────────────────────────────────────────────────


@_maker
def colon_dropped(spec: Spec, random: Random) -> Edit | None:
    return _without(spec.pick(random, lambda t: t.text == ":"))


@_maker
def arrow_dropped(spec: Spec, random: Random) -> Edit | None:
    return _without(spec.pick(random, lambda t: t.text == "->"))


@_maker
def arrow_of_another_kind(spec: Spec, random: Random) -> Edit | None:
    token = spec.pick(random, lambda t: t.text == "->")
    return _instead(token, random.choice(("=>", "→", ":", "-", ">", "-->", "=")))


@_maker
def equals_dropped(spec: Spec, random: Random) -> Edit | None:
    return _without(spec.pick(random, lambda t: t.text == "="))


@_maker
def colon_for_equals(spec: Spec, random: Random) -> Edit | None:
    return _instead(spec.pick(random, lambda t: t.text == "="), ":")


@_maker
def equals_for_colon(spec: Spec, random: Random) -> Edit | None:
    return _instead(spec.pick(random, lambda t: t.text == ":"), " =")


@_maker
def single_equals(spec: Spec, random: Random) -> Edit | None:
    return _instead(spec.pick(random, lambda t: t.text == "=="), "=")


@_maker
def double_equals(spec: Spec, random: Random) -> Edit | None:
    return _instead(spec.pick(random, lambda t: t.text == "="), "==")


@_maker
def comma_dropped(spec: Spec, random: Random) -> Edit | None:
    return _without(spec.pick(random, lambda t: t.text == ","))


@_maker
def bracket_dropped(spec: Spec, random: Random) -> Edit | None:
    return _without(spec.pick(random, lambda t: t.text in tuple("()[]")))


@_maker
def bracket_added(spec: Spec, random: Random) -> Edit | None:
    token = spec.pick(random, lambda t: t.kind in ("word", "number", "sign"))
    return Edit(token.end, token.end, random.choice(")(][")) if token else None


@_maker
def bracket_swapped(spec: Spec, random: Random) -> Edit | None:
    token = spec.pick(random, lambda t: t.text in (")", "]"))
    return _instead(token, "]" if token and token.text == ")" else ")")


@_maker
def other_operator(spec: Spec, random: Random) -> Edit | None:
    token = spec.pick(random, lambda t: t.text in ("and", "or", "not"))
    signs = {"and": ("&&", "&"), "or": ("||", "|"), "not": ("!", "~")}
    return _instead(token, random.choice(signs[token.text])) if token else None


@_maker
def percentage(spec: Spec, random: Random) -> Edit | None:
    token = spec.pick(random, lambda t: bool(re.fullmatch(r"0\.\d+", t.text)))
    return _instead(token, f"{float(token.text) * 100:g}%") if token else None


@_maker
def decimal_comma(spec: Spec, random: Random) -> Edit | None:
    token = spec.pick(random, lambda t: bool(re.fullmatch(r"\d+\.\d+", t.text)))
    return _instead(token, token.text.replace(".", ",")) if token else None


@_maker
def semicolon(spec: Spec, random: Random) -> Edit | None:
    token = random.choice(spec.firsts())
    end = spec.end_of_line(token.start)
    return (
        Edit(end, end, ";")
        if spec.in_code(end) and "#" not in spec.text[token.start : end]
        else None
    )


# ── Indentation and lines ─────────────────────────────────────────────────────────────────────────


def _indented(spec: Spec, random: Random) -> Token | None:
    found = [t for t in spec.firsts() if t.start > spec.start_of_line(t.start)]
    return random.choice(found) if found else None


@_maker
def tab(spec: Spec, random: Random) -> Edit | None:
    token = _indented(spec, random)
    if token is None:
        return None
    start = spec.start_of_line(token.start)
    return Edit(start, token.start, "\t" * ((token.start - start) // 4))


@_maker
def indent_off(spec: Spec, random: Random) -> Edit | None:
    token = _indented(spec, random)
    return (
        random.choice((Edit(token.start, token.start, " "), Edit(token.start - 1, token.start, "")))
        if token
        else None
    )


@_maker
def indent_lost(spec: Spec, random: Random) -> Edit | None:
    token = _indented(spec, random)
    return Edit(spec.start_of_line(token.start), token.start, "") if token else None


@_maker
def head_indented(spec: Spec, random: Random) -> Edit | None:
    token = random.choice(
        [t for t in spec.firsts() if t.start == spec.start_of_line(t.start)] or spec.firsts()
    )
    return Edit(token.start, token.start, " " * random.choice((1, 2, 4)))


@_maker
def line_doubled(spec: Spec, random: Random) -> Edit | None:
    """A key, a level or a declaration of one line, given twice."""
    token = random.choice(spec.firsts())
    start, end = spec.start_of_line(token.start), spec.end_of_line(token.start)
    line = spec.text[start:end]
    if line.startswith("require") or line.rstrip().endswith((":", '"""', "(")):
        return None
    return Edit(end, end, f"\n{line}", 1)


@_maker
def junk_line(spec: Spec, random: Random) -> Edit | None:
    token = random.choice(spec.firsts())
    start = spec.start_of_line(token.start)
    indent = " " * (token.start - start)
    line = random.choice(_JUNK)
    return Edit(start, start, f"{indent}{line}\n", len(indent))


@_maker
def line_joined(spec: Spec, random: Random) -> Edit | None:
    """The line break after a statement is lost."""
    token = random.choice(spec.firsts()[1:] or spec.firsts())
    start = spec.start_of_line(token.start)
    above = spec.text[spec.start_of_line(max(0, start - 1)) : start].strip()
    return Edit(start - 1, token.start, " ") if above and "#" not in above else None


@_maker
def line_broken(spec: Spec, random: Random) -> Edit | None:
    """A line break where no bracket is open."""
    token = spec.pick(
        random, lambda t: t.text in ("and", "or", "+", "<=", ">=", "if", "else", "->")
    )
    return Edit(token.start, token.start, "\n    ", 5) if token else None


@_maker
def block_lost(spec: Spec, random: Random) -> Edit | None:
    found = spec.search(random, r"^(?:grader|pairwise|refine) [^\n=]*:\n(?:(?:    [^\n]*)?\n)+")
    return (
        Edit(found.start(), found.end(), f"{found.group().splitlines()[0]}\n\n") if found else None
    )


# ── Texts ─────────────────────────────────────────────────────────────────────────────────────────


def _line_text(token: Token) -> bool:
    return token.kind == "string" and '"""' not in token.text and not token.text.startswith("r")


@_maker
def closing_quote_dropped(spec: Spec, random: Random) -> Edit | None:
    token = spec.pick(random, _line_text)
    return _instead(token, token.text[:-1]) if token else None


@_maker
def opening_quote_dropped(spec: Spec, random: Random) -> Edit | None:
    token = spec.pick(random, _line_text)
    return _instead(token, token.text[1:]) if token else None


@_maker
def triple_quotes_dropped(spec: Spec, random: Random) -> Edit | None:
    token = spec.pick(random, lambda t: t.kind == "string" and '"""' in t.text)
    return _instead(token, token.text[:-3]) if token else None


@_maker
def unquoted(spec: Spec, random: Random) -> Edit | None:
    token = spec.pick(random, _line_text)
    return _instead(token, token.text[1:-1]) if token else None


@_maker
def curly_quotes(spec: Spec, random: Random) -> Edit | None:
    token = spec.pick(random, _line_text)
    return _instead(token, f"“{token.text[1:-1]}”") if token else None


@_maker
def f_string(spec: Spec, random: Random) -> Edit | None:
    token = spec.pick(random, _line_text)
    return _instead(token, random.choice("fbu") + token.text) if token else None


@_maker
def unknown_escape(spec: Spec, random: Random) -> Edit | None:
    token = spec.pick(random, _line_text)
    return _instead(token, f"{token.text[:-1]}\\d{token.text[-1]}") if token else None


@_maker
def quote_inside(spec: Spec, random: Random) -> Edit | None:
    """A quote inside a text, not escaped."""
    token = spec.pick(random, lambda t: _line_text(t) and " " in t.text and t.text[0] == '"')
    return _instead(token, re.sub(r"(\w+) ", r'"\1" ', token.text, count=1)) if token else None


@_maker
def column_quoted(spec: Spec, random: Random) -> Edit | None:
    """`words("response")`: a field in an expression, in quotes."""
    found = spec.search(
        random, r"^grader .*?(?:words|rouge_\w|contains|matches|lower|bleu|chrf)\((\w+)(?=[,)])"
    )
    return _over(found, f'"{found.group(1)}"', 1) if found else None


# ── Templates ─────────────────────────────────────────────────────────────────────────────────────


@_maker
def single_braces(spec: Spec, random: Random) -> Edit | None:
    found = spec.search(random, r"\{\{ (\w+) \}\}")
    return _over(found, f"{{{found.group(1)}}}") if found else None


@_maker
def brace_dropped(spec: Spec, random: Random) -> Edit | None:
    return _over(spec.search(random, r"(?<=\{)\{|\}(?=\})|(?<=[%])\}|\{(?=%)"), "")


@_maker
def template_name_misspelt(spec: Spec, random: Random) -> Edit | None:
    found = spec.search(random, r"(?<=\{\{ )\w{4,}(?= \}\})")
    known = found is not None and found.group() in spec.names
    return _over(found, _slip(found.group(), random)) if known and found else None


@_maker
def tag_misspelt(spec: Spec, random: Random) -> Edit | None:
    found = spec.search(random, r"(?<=\{% )(?:if|for|endif|endfor)\b")
    return _over(found, found.group() + "e") if found else None


@_maker
def format_template(spec: Spec, random: Random) -> Edit | None:
    """A prompt written for `str.format`, on one line."""
    found = spec.search(random, r'^    prompt = ("[^"\n]*\{\{[^"\n]*")$')
    if found is None:
        return None
    text = re.sub(r"\{\{ (\w+) \}\}", r"{\1}", found.group(1))
    return _over(found, f"{text[:-1]} {{{{'score': 1}}}}\"", 1)


# ── Words ─────────────────────────────────────────────────────────────────────────────────────────


@_maker
def keyword_misspelt(spec: Spec, random: Random) -> Edit | None:
    return _misspelt(
        spec.pick(random, lambda t: t.text in _KEYWORDS and _is_first(spec, t)), random
    )


def _is_first(spec: Spec, token: Token) -> bool:
    return token.start == spec.start_of_line(token.start)


@_maker
def keyword_capital(spec: Spec, random: Random) -> Edit | None:
    token = spec.pick(random, lambda t: t.text in _KEYWORDS and _is_first(spec, t))
    return _instead(token, token.text.capitalize()) if token else None


@_maker
def inner_word_misspelt(spec: Spec, random: Random) -> Edit | None:
    words = (
        "against",
        "import",
        "when",
        "lower",
        "bool",
        "points",
        "else",
        "else",
        "True",
        "False",
    )
    return _misspelt(spec.pick(random, lambda t: t.text in words), random)


@_maker
def key_misspelt(spec: Spec, random: Random) -> Edit | None:
    found = spec.search(random, r"^    (\w{4,})(?= = |:$)")
    keys = (
        found is not None
        and not _under_fields(spec, found.start())
        and spec.in_code(found.start(1))
    )
    return _over(found, _slip(found.group(1), random), 1) if keys and found else None


def _under_fields(spec: Spec, offset: int) -> bool:
    heads = [m.start() for m in _HEAD.finditer(spec.text, 0, offset)]
    return bool(heads) and spec.text.startswith("fields", heads[-1])


@_maker
def unknown_key(spec: Spec, random: Random) -> Edit | None:
    found = spec.search(random, r"^(?:grader|aggregate|pairwise|refine) [^\n=]*:(?=\n)")
    line = random.choice(
        ("threshold = 3", "temperature = 0", "retries = 2", 'comment = "x"', "weight = 0.5")
    )
    return Edit(found.end(), found.end(), f"\n    {line}", 1) if found else None


@_maker
def name_misspelt(spec: Spec, random: Random) -> Edit | None:
    """The use of a declared name, not its declaration."""
    uses = r"(?:^(?:aggregate|require|grader)[^\n]*?|until = [^\n]*?|by = |guard = \[)(?<![\w.])"
    found = spec.search(
        random, uses + r"(?!(?:aggregate|require|grader)\b)([^\W\d]\w{3,})(?![\w(])"
    )
    if (
        found is None
        or found.group(1) not in spec.names
        or re.match(r"\w+ $", spec.text[spec.start_of_line(found.start(1)) : found.start(1)])
    ):
        return None
    return _over(found, _slip(found.group(1), random), 1)


@_maker
def function_misspelt(spec: Spec, random: Random) -> Edit | None:
    found = spec.search(random, r"(?<![\w.])[a-z_0-9]{4,}(?=\()")
    return (
        _over(found, _slip(found.group(), random))
        if found and spec.in_code(found.start())
        else None
    )


@_maker
def reserved_name(spec: Spec, random: Random) -> Edit | None:
    found = spec.search(random, r"^(?:param|model|grader|aggregate) (\w+)")
    unused = found is not None and len(re.findall(rf"\b{found.group(1)}\b", spec.text)) == 1
    return _over(found, random.choice(_RESERVED), 1) if unused else None


@_maker
def duplicate_declaration(spec: Spec, random: Random) -> Edit | None:
    """A second declaration of a name, at the end of the spec."""
    found = spec.search(random, r"^(?:grader|aggregate|param) (\w+)\b")
    if found is None:
        return None
    end = len(spec.text.rstrip())
    return Edit(end, end, f"\n\ngrader {found.group(1)} = words(response) <= 90\n", 2)


@_maker
def else_dropped(spec: Spec, random: Random) -> Edit | None:
    return _over(spec.search(random, r" else [\w.]+$"), "")


@_maker
def literal_of_another_language(spec: Spec, random: Random) -> Edit | None:
    token = spec.pick(random, lambda t: t.text in ("True", "False"))
    return _instead(token, {"True": "true", "False": "false"}[token.text]) if token else None


# ── Values ────────────────────────────────────────────────────────────────────────────────────────


@_maker
def value_missing(spec: Spec, random: Random) -> Edit | None:
    found = spec.search(random, r"(?<= =) (?!\"\"\")[^\n#]+$")
    return _over(found, "") if found and spec.in_code(found.start()) else None


@_maker
def scale_as_dash(spec: Spec, random: Random) -> Edit | None:
    return _scale(spec, random, r"\1-\2")


@_maker
def scale_as_list(spec: Spec, random: Random) -> Edit | None:
    return _scale(spec, random, r"[\1, \2]")


@_maker
def scale_as_words(spec: Spec, random: Random) -> Edit | None:
    return _scale(spec, random, r"\1 to \2")


@_maker
def scale_with_three_points(spec: Spec, random: Random) -> Edit | None:
    return _scale(spec, random, r"\1...\2")


@_maker
def scale_as_type(spec: Spec, random: Random) -> Edit | None:
    return _scale(
        spec,
        random,
        random.choice(("int", "float", "int(1, 5)", "Likert", "number", r"\1", r"range(\1, \2)")),
    )


@_maker
def scale_turned(spec: Spec, random: Random) -> Edit | None:
    return _scale(spec, random, r"\2..\1")


def _scale(spec: Spec, random: Random, written: str) -> Edit | None:
    found = spec.search(random, r"(?<=-> )(\d[\d.]*?)\.\.(\d[\d.]*)")
    return _over(found, found.expand(written)) if found else None


@_maker
def labels_unquoted(spec: Spec, random: Random) -> Edit | None:
    found = spec.search(random, r"(?<=-> )\"[^=:\n]*\"(?= =|:)")
    return _over(found, found.group().replace('"', "")) if found else None


@_maker
def labels_with_commas(spec: Spec, random: Random) -> Edit | None:
    found = spec.search(random, r"(?<=-> )\"[^=:\n]*\"(?= =|:)")
    return _over(found, found.group().replace(" |", ",")) if found else None


@_maker
def scale_missing(spec: Spec, random: Random) -> Edit | None:
    return _over(spec.search(random, r" -> [^=:(\n]+(?=:| = \")"), "")


@_maker
def weights_off(spec: Spec, random: Random) -> Edit | None:
    found = spec.search(random, r"(?<=weighted\()[^\n]*?(0\.\d+)(?=[,)])")
    return _over(found, f"{float(found.group(1)) + 0.05:g}", 1) if found else None


@_maker
def level_off_scale(spec: Spec, random: Random) -> Edit | None:
    found = spec.search(random, r"^        (\d+|True|\"[^\"\n]*\")(?=: )")
    return _over(found, random.choice(("77", '"perfect"')), 1) if found else None


@_maker
def label_not_offered(spec: Spec, random: Random) -> Edit | None:
    found = spec.search(random, r"(?:== |!= |in \[)\"(\w+)\"")
    offered = found is not None and f'"{found.group(1)}" |' in spec.text
    return _over(found, "splendid", 1) if offered else None


@_maker
def threshold_never(spec: Spec, random: Random) -> Edit | None:
    found = spec.search(random, r"^require (?:mean|share|median)\(\w+\) >=? ([\d.]+)$")
    return _over(found, "250", 1) if found else None


@_maker
def text_and_number(spec: Spec, random: Random) -> Edit | None:
    found = spec.search(random, r"(?<=[<>]= )\d[\d.]*|(?<=[<>] )\d[\d.]*")
    return _over(found, f'"{found.group()}"') if found and spec.in_code(found.start()) else None


@_maker
def unknown_standard_grader(spec: Spec, random: Random) -> Edit | None:
    found = spec.search(random, r"(?<=std\.)\w+")
    return _over(found, random.choice((_slip(found.group(), random), "sarcasm"))) if found else None


@_maker
def unknown_model_setting(spec: Spec, random: Random) -> Edit | None:
    found = spec.search(random, r"llm\(\"[^\"]*\"")
    setting = random.choice(("temprature=0", "top_k=4", 'api_key="x"', "max_token=9"))
    return Edit(found.end(), found.end(), f", {setting}", 2) if found else None


@_maker
def bad_model_name(spec: Spec, random: Random) -> Edit | None:
    found = spec.search(random, r"(?<=llm\(\")[^\"]*")
    return _over(found, random.choice(("gpt-4o", "opnai/gpt-4o", "", "openai/"))) if found else None


@_maker
def bad_word(spec: Spec, random: Random) -> Edit | None:
    found = spec.search(
        random, r"^    (?:pool|keep|decide|missing|swap|rounds|samples|level) = (\w+)$"
    )
    return _over(found, random.choice(("often", '"many"', "-1")), 1) if found else None


@_maker
def score_for_condition(spec: Spec, random: Random) -> Edit | None:
    found = spec.search(random, r"^require mean\(\w+\)( >=? [\w.]+)$")
    return _over(found, "", 1) if found else None


@_maker
def none_as_value(spec: Spec, random: Random) -> Edit | None:
    found = spec.search(random, r"(?<=[<>]= )[\d.]+$|(?<=else )[\d.]+$")
    return (
        _over(found, random.choice(("None", "null")))
        if found and spec.in_code(found.start())
        else None
    )


# ── Tokens at random ──────────────────────────────────────────────────────────────────────────────


@_maker
def token_deleted(spec: Spec, random: Random) -> Edit | None:
    return _without(spec.pick(random, lambda _: True))


@_maker
def tokens_swapped(spec: Spec, random: Random) -> Edit | None:
    if len(spec.written) < 2:
        return None
    at = random.randrange(len(spec.written) - 1)
    one, other = spec.written[at : at + 2]
    between = spec.text[one.end : other.start]
    if "\n" in between or "\n" in one.text + other.text:
        return None
    return Edit(one.start, other.end, f"{other.text}{between or ' '}{one.text}")


@_maker
def token_inserted(spec: Spec, random: Random) -> Edit | None:
    token = spec.pick(random, lambda t: "\n" not in t.text)
    return Edit(token.start, token.start, f"{random.choice(_STRAY)} ") if token else None


@_maker
def character_deleted(spec: Spec, random: Random) -> Edit | None:
    token = spec.pick(random, lambda t: t.kind in ("word", "sign", "number"))
    if token is None:
        return None
    at = random.randrange(token.start, token.end)
    return Edit(at, at + 1, "")


# ── Specs with mistakes ───────────────────────────────────────────────────────────────────────────


def candidates(spec: Spec, random: Random) -> Iterator[tuple[str, Edit]]:
    """Mistakes for a spec that says something, without end, each kind as likely as any other."""
    kinds = list(MAKERS)
    while True:
        kind = random.choice(kinds)
        edit = MAKERS[kind](spec, random)
        if edit is not None and spec.text[edit.start : edit.end] != edit.text:
            yield kind, edit


def apply(spec: Spec, edits: list[tuple[str, Edit]]) -> Mistake:
    """A spec with all of these mistakes; the lines are those of the outcome."""
    text, lines, shift = spec.text, [], 0
    for _, edit in sorted(edits, key=lambda pair: pair[1].start):
        start, end = edit.start + shift, edit.end + shift
        text = text[:start] + edit.text + text[end:]
        lines.append(text.count("\n", 0, start + edit.at) + 1)
        shift += len(edit.text) - (edit.end - edit.start)
    kinds = [kind for kind, _ in sorted(edits, key=lambda pair: pair[1].start)]
    return Mistake(text, tuple(lines), tuple(kinds))


def apart(spec: Spec, one: Edit, other: Edit) -> bool:
    """Are two mistakes independent: in declarations of their own, and not on neighbouring lines?"""
    chunks = spec.chunk_of(one.start) != spec.chunk_of(other.start)
    return chunks and abs(spec.line_of(one.start) - spec.line_of(other.start)) > 3
