"""The Pygments lexer, for terminals, Sphinx and MkDocs.

Pygments loads this by its entry point.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from pygments.lexer import RegexLexer, bygroups, default, include, using
from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Whitespace

if TYPE_CHECKING:
    from rmg_dsl.editing import Vocabulary

LexerRules = list[Any]  # what Pygments takes as rules, which it has no types for
_NAME = r"[^\W\d]\w*"
_NUMBER = r"(?:\d[\d_]*(?:\.(?!\.)[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?(?!\w)"
_QUOTES = ('"""', "'''", '"', "'")
_ESCAPE = (
    r"\\(?:[\\'\"abfnrtv\n]|[0-7]{1,3}|x[0-9a-fA-F]{2}"
    r"|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}\n]+\})"
)
_RAW = r"(\{%-?)(\s*)(raw)(\s*)(-?%\})((?:.|\n)*?)(\{%-?)(\s*)(endraw)(\s*)(-?%\})"
_TAG = (Comment.Preproc, Whitespace, Keyword, Whitespace, Comment.Preproc)


class RmgLexer(RegexLexer):  # type: ignore[misc] # Pygments has no types
    """Specs of the RMG language, as files or below `%%grade`; the tags of their prompts as Jinja.

    >>> tokens = RmgLexer().get_tokens('grader kind -> bool = "Is {{ response }} kind?"')
    >>> [text for kind, text in tokens if kind in Keyword or kind in Name]
    ['grader', 'kind', 'bool', 'response']
    """

    name = "RMG"
    aliases: ClassVar = ["rmg"]
    filenames: ClassVar = ["*.rmg"]
    mimetypes: ClassVar = ["text/x-rmg"]
    flags = re.M

    @classmethod
    def get_tokendefs(cls) -> dict[str, LexerRules]:
        """The rules by state, made when the first text is read:
        Pygments loads lexers also to list them.
        """
        return _token_states()


@cache
def _token_states() -> dict[str, LexerRules]:
    # The words come from the grammar, which takes a moment to load.
    from rmg_dsl.api.sources import universe
    from rmg_dsl.editing import vocabulary

    words = vocabulary(universe())
    # A declaration in column 1 is no part of brackets: they were never closed.
    over = rf"^(?={_any_word_pattern(words.declarations)}[ \t]+[\w\"])"
    brackets = {
        "brackets": [
            (over, Whitespace, "#pop"),
            (r"[)\]]", Punctuation, "#pop"),
            include("expression"),
        ]
    }
    return {
        **_line_states(words),
        "expression": _expression_rules(words),
        **brackets,
        **_head_states(words),
        **_text_states(words),
    }


def _any_word_pattern(words: Iterable[str]) -> str:
    return rf"(?:{'|'.join(sorted(words, key=len, reverse=True))})\b"


# ── code ──────────────────────────────────────────────────────────────────────────────────────────


def _line_states(words: Vocabulary) -> dict[str, LexerRules]:
    """What lines begin with: the magic, declarations, keys, the levels of a rubric."""
    naming = _any_word_pattern(words.named)
    scaled = _any_word_pattern(words.scaled)
    declares = bygroups(Keyword.Declaration, Whitespace, Name.Class)
    begins = rf"^{_any_word_pattern(words.declarations)}(?=[ \t]*:|[ \t]+[^\s=:])"
    key = bygroups(Whitespace, Name.Attribute, Whitespace, Operator)
    levels = {
        rf"[+-]?{_NUMBER}": Number,
        r"veto|True|False": Keyword.Constant,
        r"\"[^\"\n]*\"|'[^'\n]*'": String,
    }
    criteria = [
        (rf"^([ \t]+)({level})([ \t]*)(:)", _level_tokens(kind), "prompt")
        for level, kind in levels.items()
    ]
    return {
        "root": [
            (
                r"\A(\s*)(%%(?:grade|rmg)\b)([^\n]*)",
                bygroups(Whitespace, Keyword.Pseudo, using(PythonLexer)),
            ),
            (r"^##[^\n]*", String.Doc),
            (rf"^({scaled})([ \t]+)({_NAME})", declares, "head"),
            (rf"^({naming})([ \t]+)({_NAME})", declares),
            (begins, Keyword.Declaration),
            (rf"^([ \t]+)({_any_word_pattern(words.templates)})([ \t]*)(=)(?!=)", key, "prompt"),
            (rf"^([ \t]+)({_any_word_pattern(words.keys)})([ \t]*)(=)(?!=)", key),
            (
                r"^([ \t]+)(rubric)([ \t]*)(:)",
                bygroups(Whitespace, Name.Attribute, Whitespace, Punctuation),
            ),
            (
                rf"^([ \t]+)({_NAME})([ \t]*)(=)(?!=)",
                bygroups(Whitespace, Name.Variable, Whitespace, Operator),
            ),
            *criteria,
            include("expression"),
        ]
    }


def _level_tokens(kind: Any) -> Any:
    return bygroups(Whitespace, kind, Whitespace, Punctuation)


def _expression_rules(words: Vocabulary) -> LexerRules:
    library = rf"(std)(\.)({_any_word_pattern(words.graders)})"
    between = rf"(?<=[\w)\]\"'])([ \t]+)({_any_word_pattern(words.inside)})(?=[ \t]+[\w\"'(])"
    return [
        (r"[ \t]+(?=\n)|\n", Whitespace),
        (between, bygroups(Whitespace, Keyword)),
        (r"[ \t]+", Whitespace),
        (r"#[^\n]*", Comment.Single),
        include("text"),
        (r"->", Operator, "scale"),
        (_any_word_pattern(words.constants), Keyword.Constant),
        (_any_word_pattern(words.operators), Operator.Word),
        (library, bygroups(Name.Namespace, Operator, Name.Builtin)),
        (rf"{_any_word_pattern(words.functions)}(?=[ \t]*\()", Name.Builtin),
        (rf"{_any_word_pattern(words.settings)}(?=[ \t]*=(?!=))", Name.Attribute),
        (rf"{_NAME}(?=[ \t]*\()", Name.Function),
        (rf"(\.)({_NAME})", bygroups(Operator, Name.Property)),
        (_NAME, Name),
        (_NUMBER, Number),
        (r"\.\.|[-+*/<>=!|.]+", Operator),
        (r"[(\[]", Punctuation, "brackets"),
        (r"[,:)\]]", Punctuation),
    ]


def _head_states(known: Vocabulary) -> dict[str, LexerRules]:
    """After `grader NAME`: a scale, then a colon, or `=` and perhaps a prompt."""
    words = (_any_word_pattern(known.scale), Keyword.Type)
    parts = [
        words,
        (_NUMBER, Number),
        (r"\.\.|[-|+]", Operator),
        (r"[ \t]+", Whitespace),
        include("text"),
    ]
    return {
        "head": [
            (r"->", Operator),
            (r"\(", Punctuation, "values"),
            (r"=(?!=)", Operator, ("#pop", "prompt")),
            *parts,
            default("#pop"),
        ],
        "values": [
            (r"\)", Punctuation, "#pop"),
            (r"=", Operator),
            (r"\n", Whitespace),
            *parts,
            default("#pop"),
        ],
        "scale": [(r"\(", Punctuation, "values"), *parts, default("#pop")],
    }


# ── texts ─────────────────────────────────────────────────────────────────────────────────────────


def _text_states(words: Vocabulary) -> dict[str, LexerRules]:
    """Texts in each kind of quotes, raw or not, plain or as templates."""
    states: dict[str, LexerRules] = {"text": [], "prompt": [(r"[ \t]+", Whitespace)]}
    for quotes in _QUOTES:
        for raw in (True, False):
            opening = bygroups(String.Affix, String) if raw else String
            for use in ("text", "prompt"):
                state = f"{use} {'r' if raw else ''}{quotes}"
                pattern = rf"(r)({quotes})" if raw else quotes
                states[use].append((pattern, opening, state if use == "text" else ("#pop", state)))
                states[state] = [
                    *(_template_rules(quotes) if use == "prompt" else []),
                    *_plain_text_rules(quotes, raw),
                ]
        states[f"tag {quotes}"] = _tag_rules(quotes, words)
    states["prompt"].append(default("#pop"))
    return states


def _plain_text_rules(quotes: str, raw: bool) -> LexerRules:
    ends = [(quotes, String, "#pop"), *([] if len(quotes) == 3 else [(r"\n", Whitespace, "#pop")])]
    return [*ends, *([] if raw else [(_ESCAPE, String.Escape)]), (r"\\.|[^\\\n{\"']+|\n|.", String)]


def _template_rules(quotes: str) -> LexerRules:
    return [
        (r"\{#(?:.|\n)*?#\}", Comment.Multiline),
        (_RAW, bygroups(*_TAG, String, *_TAG)),
        (r"\{[{%]-?", Comment.Preproc, f"tag {quotes}"),
    ]


def _tag_rules(quotes: str, words: Vocabulary) -> LexerRules:
    """Inside of `{{ }}` and `{% %}`; where the text itself ends, so does the tag."""
    other = "'" if quotes.startswith('"') else '"'
    return [
        (r"-?[%}]\}", Comment.Preproc, "#pop"),
        (rf"(?={quotes}){'' if len(quotes) == 3 else '|(?=$)'}", String, "#pop"),
        (r"\s+", Whitespace),
        (
            rf"{other}[^{other}\n]*{other}" if len(quotes) == 1 else r"\"[^\"\n]*\"|'[^'\n]*'",
            String,
        ),
        (
            rf"(\|)(\s*)({_any_word_pattern(words.filters)})",
            bygroups(Operator, Whitespace, Name.Function),
        ),
        (rf"(\.)({_NAME})", bygroups(Operator, Name.Property)),
        (_any_word_pattern(words.statements), Keyword),
        (_any_word_pattern(("true", "false", "none", *words.constants)), Keyword.Constant),
        (_NAME, Name.Variable),
        (_NUMBER, Number),
        (r"\\.", String.Escape),
        (r"[-+*/%~<>=!|]+", Operator),
        (r"[][(){}.,:]", Punctuation),
        (r".", String),
    ]
