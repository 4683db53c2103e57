"""The options of a run: one table for Python, the command line and the notebook magics.

Each field of `Options` carries its default, its meaning and the flags that set it. Docstrings,
`--help` and the magics read them there. `GradeOptions` and `ReadOptions` repeat names and types,
because a type checker cannot read a dataclass as keyword arguments; a test compares them.
"""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypedDict, TypeVar

from rmg_dsl.errors import UsageError

if TYPE_CHECKING:
    from rmg_dsl.messages import Model

# A string, so that `rmg check`, which imports this module, does not import `messages`.
ModelChoice: TypeAlias = "str | Model"
ParamValue: TypeAlias = float | int | bool | str
Row: TypeAlias = Mapping[str, Any]  # a cell can hold anything

Documented = TypeVar("Documented", bound=Callable[..., object])


class RawParam(str):
    """A param's value as typed on a command line; the type of the param's default converts it."""

    __slots__ = ()


class Flag(NamedTuple):
    """A flag of a command line or a magic.

    `metavar` names its value and is empty for a switch. `option` is the field of `Options` that it
    sets, empty for a flag of one surface only. `run_only` flags do not change a plan.
    """

    word: str
    metavar: str = ""
    help: str = ""
    option: str = ""
    is_repeatable: bool = False
    convert: type[str] | type[int] | type[float] = str
    run_only: bool = False


class OptionEntry(TypedDict):
    """What the table holds of an option beside its name, type and default."""

    meaning: str
    flags: tuple[Flag, ...]


def _entry(meaning: str, *flags: Flag) -> OptionEntry:
    return {"meaning": meaning, "flags": flags}


class ReadOptions(TypedDict, total=False):
    """The keyword options of `read`: which rows. Same meanings as in `grade`."""

    limit: int | None
    sample: int | None
    seed: int


class GradeOptions(ReadOptions, total=False):
    """The keyword options of `grade`, `agrade`, `Suite.plan` and `df.rmg`; see `grade`."""

    model: str | Model | Mapping[str, str | Model] | None
    params: Mapping[str, ParamValue]
    functions: Mapping[str, Callable[..., object]]
    only: Sequence[str]
    prefix: str
    concurrency: int | None
    budget: float | None
    cache: bool | Literal["refresh", "failed"]
    log: str | os.PathLike[str] | None
    allow_python: Sequence[str]
    allow_hosts: Sequence[str]
    allow_env: Sequence[str]
    allow_files: Sequence[str]
    progress: bool | None
    on_row: Callable[[Row], object] | None


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one call, checked. An option wins over the spec, the environment and defaults.

    >>> Options.of({"limit": 10}).limit
    10
    """

    model: str | Model | Mapping[str, str | Model] | None = field(
        default=None,
        metadata=_entry(
            'Model to ask: "provider/name", or an object with `complete`.\n'
            'A dict replaces declared models by name; the key "" is the default model.',
            Flag(
                "--model",
                "[NAME=]PROVIDER/NAME",
                "model to ask; with NAME= it replaces a declared model; may be repeated",
                is_repeatable=True,
            ),
        ),
    )
    params: Mapping[str, ParamValue] = field(
        default_factory=dict,
        metadata=_entry(
            "Values for the params of the spec, by name.",
            Flag(
                "--set",
                "PARAM=VALUE",
                "set a param of the spec; may be repeated",
                is_repeatable=True,
            ),
        ),
    )
    functions: Mapping[str, Callable[..., object]] = field(
        default_factory=dict, metadata=_entry("Python functions that the spec may call, by name.")
    )
    limit: int | None = field(
        default=None,
        metadata=_entry(
            "Take only the first `limit` rows.",
            Flag("--limit", "N", "only the first N rows", convert=int),
        ),
    )
    sample: int | None = field(
        default=None,
        metadata=_entry(
            "Take only `sample` rows, drawn at random and kept in their order.",
            Flag("--sample", "N", "only N rows, drawn at random", convert=int),
        ),
    )
    seed: int = field(
        default=0,
        metadata=_entry(
            "Seed of `sample`, and of the order in which a ranking shows its candidates.",
            Flag("--seed", "N", "seed of --sample and of ranking orders (default 0)", convert=int),
        ),
    )
    only: Sequence[str] = field(
        default=(),
        metadata=_entry(
            "Names of the graders and aggregates to compute, with what they need. Empty means all.",
            Flag(
                "--only",
                "NAME,…",
                "only these graders or aggregates, and what they need; may be repeated",
                is_repeatable=True,
            ),
        ),
    )
    prefix: str = field(
        default="",
        metadata=_entry(
            "Text before the name of every new column.",
            Flag("--prefix", "TEXT", "text before the name of every new column"),
        ),
    )
    concurrency: int | None = field(
        default=None,
        metadata=_entry(
            "Calls in flight at once, for each model. None adapts to the endpoint.",
            Flag(
                "--concurrency",
                "N",
                "calls in flight at once, for each model",
                convert=int,
                run_only=True,
            ),
        ),
    )
    budget: float | None = field(
        default=None,
        metadata=_entry(
            "Most to spend, in USD. Every model needs a `price`.\n"
            "Rows that the budget does not reach get the status `over_budget`.",
            Flag(
                "--budget",
                "USD",
                "stop when this much is spent; every model needs a price",
                convert=float,
                run_only=True,
            ),
        ),
    )
    cache: bool | Literal["refresh", "failed"] = field(
        default=True,
        metadata=_entry(
            "True reads and writes the reply cache, False does neither.\n"
            '"refresh" ignores cached replies and overwrites them.\n'
            '"failed" does so with those that gave no score.',
            Flag("--refresh", help="ignore cached replies and overwrite them", run_only=True),
            Flag(
                "--retry-failed",
                help="ask again where the cached reply gave no score",
                run_only=True,
            ),
            Flag("--no-cache", help="do not read or write the reply cache", run_only=True),
        ),
    )
    log: str | os.PathLike[str] | None = field(
        default=None,
        metadata=_entry(
            "File for every request and raw reply, one JSON object per line.",
            Flag(
                "--log",
                "FILE",
                "write every request and raw reply, one JSON object per line",
                run_only=True,
            ),
        ),
    )
    allow_python: Sequence[str] = field(
        default=(),
        metadata=_entry(
            'Modules whose functions `python("module:function")` may import.',
            Flag(
                "--allow-python",
                "MODULE",
                "let the spec call functions of this module; may be repeated",
                is_repeatable=True,
            ),
        ),
    )
    allow_hosts: Sequence[str] = field(
        default=(),
        metadata=_entry(
            "Hosts that a `base_url` of the spec may name: they get the rows and the key.\n"
            "The variable RMG_ALLOW_HOSTS adds to them.",
            Flag(
                "--allow-host",
                "HOST",
                "let the spec send rows and its key to this host; may be repeated",
                is_repeatable=True,
            ),
        ),
    )
    allow_env: Sequence[str] = field(
        default=(),
        metadata=_entry(
            "Environment variables that the spec may name, beyond the usual ones of providers.\n"
            "The variable RMG_ALLOW_ENV adds to them.",
            Flag(
                "--allow-env",
                "NAME",
                "let the spec use the secret in this variable; may be repeated",
                is_repeatable=True,
            ),
        ),
    )
    allow_files: Sequence[str] = field(
        default=(),
        metadata=_entry(
            "Folders, beyond that of the spec, whose files the spec may import.\n"
            "The variable RMG_ALLOW_FILES adds to them.",
            Flag(
                "--allow-files",
                "DIR",
                "let the spec import files of this folder; may be repeated",
                is_repeatable=True,
            ),
        ),
    )
    progress: bool | None = field(
        default=None,
        metadata=_entry(
            "Show the progress of the run. None shows it on a terminal and in a notebook."
        ),
    )
    on_row: Callable[[Row], object] | None = field(
        default=None,
        metadata=_entry(
            "Function that is called with each finished row, a dict, in the order of the rows."
        ),
    )

    @classmethod
    def of(cls, options: Mapping[str, Any], allowed: Iterable[str] = ()) -> Options:
        """The options of a call, of which `allowed` (or all) may stand there.

        Raises UsageError for an unknown name and for a value that an option does not take.
        """
        names = list(allowed) or [entry.name for entry in fields(cls)]
        for name in options:
            if name not in names:
                raise UsageError(f"there is no option `{name}`: {_name_advice(name, names)}")
        return cls(**options)

    def __post_init__(self) -> None:
        _check_count("concurrency", self.concurrency, least=1)
        _check_count("limit", self.limit, least=0)
        _check_count("sample", self.sample, least=0)
        # A text is a sequence of texts too: "good" would mean the names g, o, o and d.
        lists = (self.only, self.allow_python, self.allow_hosts, self.allow_env, self.allow_files)
        if any(isinstance(names, str) for names in lists):
            raise UsageError(
                "`only` and `allow_python`, `allow_hosts`, … are lists of names, "
                'such as only=["relevance"]'
            )
        if self.cache not in (True, False, "refresh", "failed"):
            raise UsageError(f'`cache` is True, False, "refresh" or "failed", not {self.cache!r}')
        if self.budget is not None and not self.budget > 0:
            raise UsageError(f"`budget` is an amount in USD above 0, not {self.budget!r}")
        _check_kind("seed", self.seed, int, "a whole number")
        _check_kind("prefix", self.prefix, str, "a text")
        _check_kind("params", self.params, Mapping, "a dict of values by name")
        _check_kind("functions", self.functions, Mapping, "a dict of Python functions by name")
        for name, function in self.functions.items():
            _check_function(name, function)
        _check_model(self.model)


def _name_advice(name: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"did you mean `{close[0]}`?"
    return f"there are {', '.join(names)}"


def _check_count(name: str, value: object, least: int) -> None:
    # `type` and not `isinstance`: True is an int too, and no count.
    if value is not None and not (type(value) is int and value >= least):
        raise UsageError(f"`{name}` is a whole number from {least}, not {value!r}")


def _check_kind(name: str, value: object, kind: type, words: str) -> None:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UsageError(f"`{name}` is {words}, not {value!r}")


def _check_function(name: str, function: object) -> None:
    if not callable(function):
        raise UsageError(f"functions: `{name}` is {type(function).__name__}, not a function")
    if inspect.iscoroutinefunction(function):
        raise UsageError(f"functions: `{name}` is async; a spec calls ordinary functions only")


def _check_model(model: object) -> None:
    if model is None:
        return
    choices = model.values() if isinstance(model, Mapping) else [model]
    for choice in choices:
        if not isinstance(choice, str) and not hasattr(choice, "complete"):
            words = (
                '"provider/name", an object with `complete`, or a dict of these by declared name'
            )
            raise UsageError(f"`model` is {words}, not {type(choice).__name__}")


# ── what reads the table ──


def option_flags() -> Iterator[Flag]:
    """The flags of all options, in the order of the table.

    >>> [flag.word for flag in option_flags() if flag.option == "cache"]
    ['--refresh', '--retry-failed', '--no-cache']
    """
    for entry in fields(Options):
        for flag in entry.metadata["flags"]:
            yield flag._replace(option=entry.name)


def describe_options(names: Iterable[str] = ()) -> str:
    """The options (or those of `names`) for a docstring: name, type, default, meaning.

    >>> print(describe_options(["limit"]))
    limit: int | None = None
        Take only the first `limit` rows.
    """
    selected = frozenset(names)
    lines: list[str] = []
    for entry in fields(Options):
        if selected and entry.name not in selected:
            continue
        default = getattr(_DEFAULTS, entry.name)
        lines.append(f"{entry.name}: {entry.type} = {default!r}")
        lines += [f"    {line}" for line in entry.metadata["meaning"].split("\n")]
    return "\n".join(lines)


def document_options(function: Documented) -> Documented:
    """Append the table of options to the docstring of a function that takes all of them."""
    # Python drops docstrings under -OO.
    if function.__doc__ and "\n\nOptions:" not in function.__doc__:
        text = inspect.cleandoc(function.__doc__)
        function.__doc__ = f"{text}\n\nOptions:\n\n{describe_options()}\n"
    return function


_DEFAULTS = Options()
