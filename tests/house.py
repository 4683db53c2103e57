"""The house rules in numbers: measure the source, compare with the targets of the design page.

    python -m tests.house                  each figure, its target, the two old values, met or
    missed python -m tests.house --by-package     the same, with the figure of each package below a
    missed one python -m tests.house --names          the names behind the figures that count names
    python -m tests.house --json           the same as JSON python -m tests.house --root FOLDER
    measure another tree, for example an older checkout

The exit code is 0 where every target is met, 1 where one is missed.

Two old values stand beside each figure. `design` is the value in the table of the design page.
`before` is what this script measures at commit dfffc72, the last one before the rules were
introduced. The two differ where the page counted in another way.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import statistics
import subprocess
import sys
import tokenize
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "rmg_dsl"
MAX_LINE = 100
PLACEHOLDERS = frozenset("found given each known said told wanted kept held asked seen".split())
# Participles that do not end in -ed. `read`, `put` and `cut` are verbs as well, so they are
# allowed.
IRREGULAR_PARTICIPLES = frozenset(
    "built chosen done drawn gone heard left made met sent shown spoken taken thought understood written".split()
)
# Words that end in -ed and are no participles.
OTHER_ED_WORDS = frozenset("bed embed exceed feed need proceed red seed shed speed succeed".split())
_LAYOUT_TOKENS = frozenset(
    {
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
        tokenize.COMMENT,
    }
)
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Documented: TypeAlias = ast.Module | ast.ClassDef | Function


# ── one source file ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Module:
    """One source file: its path below the package, and its text."""

    path: str
    text: str

    @property
    def package(self) -> str:
        """The folder below the root, or `.` for a file of the root itself."""
        return self.path.split("/")[0] if "/" in self.path else "."

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def tokens(self) -> list[tokenize.TokenInfo]:
        return list(tokenize.generate_tokens(io.StringIO(self.text).readline))

    @cached_property
    def functions(self) -> list[Function]:
        """Every function and method, nested ones included."""
        return [node for node in self.nodes if isinstance(node, Function)]

    @cached_property
    def docstring_lines(self) -> frozenset[int]:
        """The numbers of the lines that hold docstrings."""
        documented = (node for node in self.nodes if isinstance(node, Documented))
        spans = (span for node in documented if (span := docstring_span(node)))
        return frozenset(line for span in spans for line in span)

    @cached_property
    def code_lines(self) -> frozenset[int]:
        """The numbers of the lines that hold a token of code: no blank line, comment or
        docstring.
        """
        numbers: set[int] = set()
        for token in self.code_tokens:
            numbers.update(range(token.start[0], token.end[0] + 1))
        return frozenset(numbers - self.docstring_lines)

    @cached_property
    def code_tokens(self) -> list[tokenize.TokenInfo]:
        return [token for token in self.tokens if token.type not in _LAYOUT_TOKENS]


def docstring_span(node: Documented) -> range:
    """The line numbers of a node's docstring; empty where it has none."""
    if ast.get_docstring(node, clean=False) is None:
        return range(0)
    first = node.body[0]
    return range(first.lineno, (first.end_lineno or first.lineno) + 1)


def read_modules(root: Path) -> list[Module]:
    """All Python files below a folder, in the order of their paths."""
    return [
        Module(path.relative_to(root).as_posix(), path.read_text("utf-8"))
        for path in sorted(root.rglob("*.py"))
    ]


# ── the figures ──────────────────────────────────────────────────────────────────────────────────


def function_lengths(modules: Iterable[Module]) -> list[int]:
    """Lines of every function, sorted, from `def` to its last line, without docstring and
    decorators.

    >>> function_lengths([Module("a.py", 'def f():\\n    "Doc."\\n    return 1\\n')])
    [2]
    """
    return sorted(
        (node.end_lineno or node.lineno) - node.lineno + 1 - len(docstring_span(node))
        for module in modules
        for node in module.functions
    )


def length_median(modules: Sequence[Module]) -> float:
    """The median of the function lengths; 0 without functions."""
    lengths = function_lengths(modules)
    return float(statistics.median(lengths)) if lengths else 0.0


def length_p90(modules: Sequence[Module]) -> float:
    """The length that nine of ten functions do not exceed; 0 without functions."""
    lengths = function_lengths(modules)
    return float(lengths[int(len(lengths) * 0.9)]) if lengths else 0.0


def length_max(modules: Sequence[Module]) -> float:
    """The length of the longest function; 0 without functions."""
    return float(max(function_lengths(modules), default=0))


def tokens_per_line(modules: Sequence[Module]) -> float:
    """The median number of tokens on a line of code inside a function.

    A token counts for the line on which it begins. Comments, docstrings, blank lines and layout
    count nothing.

    >>> tokens_per_line([Module("a.py", "X = [1, 2, 3]\\ndef f(a):\\n    return a\\n")])
    4.0
    """
    counts = [count for module in modules for count in _tokens_of_lines(module)]
    return float(statistics.median(counts)) if counts else 0.0


def _tokens_of_lines(module: Module) -> Iterator[int]:
    counts: dict[int, int] = defaultdict(int)
    for token in module.code_tokens:
        counts[token.start[0]] += 1
    inside: set[int] = set()
    for node in module.functions:
        inside.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return (count for line, count in counts.items() if line in inside - module.docstring_lines)


def ternaries(modules: Sequence[Module]) -> float:
    """Conditional expressions (`a if b else c`) per 1,000 lines that are not blank.

    >>> ternaries([Module("a.py", "x = 1 if 2 else 3\\n")])
    1000.0
    """
    count = sum(isinstance(node, ast.IfExp) for module in modules for node in module.nodes)
    return _ratio(1000 * count, _filled_lines(modules))


def _filled_lines(modules: Iterable[Module]) -> int:
    return sum(bool(line.strip()) for module in modules for line in module.lines)


def _ratio(count: float, total: float) -> float:
    return count / total if total else 0.0


def long_lines(modules: Sequence[Module]) -> float:
    """Lines of more than 100 characters, in percent of the lines that are not blank."""
    count = sum(len(line) > MAX_LINE for module in modules for line in module.lines)
    return _ratio(100 * count, _filled_lines(modules))


def comment_lines(modules: Sequence[Module]) -> float:
    """Comments per 100 lines of code; a comment of three lines counts three times.

    Every comment counts, section headings and directives for tools as well, as on the design page.
    Whether a comment says why, only a reader can tell.

    >>> comment_lines([Module("a.py", "x = 1\\n# Because.\\ny = 2\\n")])
    50.0
    """
    comments = sum(token.type == tokenize.COMMENT for module in modules for token in module.tokens)
    return _ratio(100 * comments, sum(len(module.code_lines) for module in modules))


def shared_class_names(modules: Sequence[Module]) -> list[str]:
    """The classes that are defined at the top of more than one module, each as `Name: paths`."""
    return _with_two_homes(_class_homes(modules))


def shared_function_names(modules: Sequence[Module]) -> list[str]:
    """The functions that are defined at the top of more than one module, each as `name: paths`."""
    return _with_two_homes(_function_homes(modules))


def _class_homes(modules: Iterable[Module]) -> Mapping[str, set[str]]:
    return _group_paths(
        (node.name, module.path)
        for module in modules
        for node in module.tree.body
        if isinstance(node, ast.ClassDef)
    )


def _function_homes(modules: Iterable[Module]) -> Mapping[str, set[str]]:
    return _group_paths(
        (node.name, module.path)
        for module in modules
        for node in module.tree.body
        if isinstance(node, Function)
    )


def _group_paths(definitions: Iterable[tuple[str, str]]) -> Mapping[str, set[str]]:
    homes: dict[str, set[str]] = defaultdict(set)
    for name, path in definitions:
        homes[name].add(path)
    return homes


def _with_two_homes(homes: Mapping[str, set[str]]) -> list[str]:
    return sorted(
        f"{name}: {', '.join(sorted(paths))}" for name, paths in homes.items() if len(paths) > 1
    )


def shared_classes(modules: Sequence[Module]) -> float:
    """Names of classes with more than one home, in percent of all names of classes."""
    return _ratio(100 * len(shared_class_names(modules)), len(_class_homes(modules)))


def shared_functions(modules: Sequence[Module]) -> float:
    """Names of module-level functions with more than one home, in percent of all such names."""
    return _ratio(100 * len(shared_function_names(modules)), len(_function_homes(modules)))


def is_bare_participle(name: str) -> bool:
    """Is a function named by one participle alone?

    >>> [name for name in ("counted", "told", "is_counted", "seed", "_shown", "read") if is_bare_participle(name)]
    ['counted', 'told', '_shown']
    """
    word = name.strip("_")
    if "_" in word or word in OTHER_ED_WORDS:
        return False
    return word.endswith("ed") or word in PLACEHOLDERS or word in IRREGULAR_PARTICIPLES


def participle_functions(modules: Sequence[Module]) -> list[str]:
    """The functions and methods that a bare participle names, each as `path:line name`."""
    return [
        f"{module.path}:{node.lineno} {node.name}"
        for module in modules
        for node in module.functions
        if is_bare_participle(node.name)
    ]


def participles(modules: Sequence[Module]) -> float:
    """Functions that a bare participle names, in percent of all functions."""
    functions = sum(len(module.functions) for module in modules)
    return _ratio(100 * len(participle_functions(modules)), functions)


def bindings(module: Module) -> Iterator[tuple[str, int]]:
    """The name and line of each binding: an assigned or loop variable, a captured pattern, a
    parameter.

    >>> list(bindings(Module("a.py", "def f(a):\\n    b = a\\n")))
    [('a', 1), ('b', 2)]
    """
    for node in module.nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.arg(arg=name):
                yield name, node.lineno
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name, node.lineno


def placeholder_bindings(modules: Sequence[Module]) -> list[str]:
    """The bindings of a placeholder name, each as `path:line name`."""
    return [
        f"{module.path}:{line} {name}"
        for module in modules
        for name, line in bindings(module)
        if name in PLACEHOLDERS
    ]


def placeholders(modules: Sequence[Module]) -> float:
    """Bindings of a placeholder name, in percent of all bindings."""
    total = sum(1 for module in modules for _ in bindings(module))
    return _ratio(100 * len(placeholder_bindings(modules)), total)


def any_types(modules: Sequence[Module]) -> float:
    """Uses of the type `Any` per 1,000 lines, blank ones included; an import is no use.

    >>> any_types([Module("a.py", "from typing import Any\\nx: Any = 1\\n")])
    500.0
    """
    count = sum(
        isinstance(node, ast.Name) and node.id == "Any"
        for module in modules
        for node in module.nodes
    )
    return _ratio(1000 * count, sum(len(module.lines) for module in modules))


# ── files that one addition touches ──────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Proof:
    """How many source files one addition of a kind touches, and how that is known.

    `subject` is the commit that added one. `files` is the recorded count, for a tree without a
    history, or for a trial that was never merged.
    """

    kind: str
    files: int
    most: int
    design: str
    subject: str = ""


PROOFS: tuple[Proof, ...] = (
    Proof("statistic", 2, 2, "9–13", subject="stats: add the statistic variance"),
    Proof(
        "output format",
        2,
        2,
        "7",
        subject="tables: read and write Arrow IPC files (.arrow, .feather)",
    ),
    Proof("provider", 2, 2, "10", subject="models: add Azure OpenAI (azure/DEPLOYMENT)"),
    # Trials of the recipes in ARCHITECTURE.md, which were not merged: the scale `percent`, an
    # output column for the number of draws, a grader of the library, and `remark "text"`, a
    # declaration whose text stands in every summary. One that scores a row touched 20 files.
    Proof("scale kind", 3, 5, "22"),
    Proof("output column", 1, 2, ""),
    Proof("grader of the library", 1, 2, ""),
    Proof("declaration", 8, 12, "37–49"),
)


def is_source(path: str) -> bool:
    """Is a file source of the program? Tests, cases, documentation and generated files are not.

    >>> paths = ("rmg_dsl/a.py", "tests/test_a.py", "grammar/SPEC.md", "grammar/rmg.lark")
    >>> [path for path in paths if is_source(path)]
    ['rmg_dsl/a.py', 'grammar/rmg.lark']
    """
    if path.endswith(".md") or path.startswith("grammar/editors/"):
        return False
    return path.startswith(("rmg_dsl/", "grammar/"))


def files_of_commit(subject: str, folder: Path = ROOT) -> int | None:
    """How many source files the newest commit of a subject touched; None where there is none."""
    if not subject:
        return None
    log = _git(folder, "log", "--fixed-strings", f"--grep={subject}", "--format=%H %s")
    commits = [line.split(" ", 1) for line in log.splitlines()]
    same_title = [commit for commit, title in commits if title == subject]
    if not same_title:
        return None
    names = _git(folder, "show", "--name-only", "--format=", same_title[0]).splitlines()
    return sum(is_source(name) for name in names)


def _git(folder: Path, *words: str) -> str:
    """The output of git, empty where there is no git or no history."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout


# ── figures beside their targets ─────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the design page's table: how it is measured, its target and its old values.

    A target is the range from `least` to `most`. `names` lists what a figure counts, where that is
    a list of names.
    """

    name: str
    measure: Callable[[Sequence[Module]], float]
    most: float
    design: str
    before: float
    least: float = 0.0
    names: Callable[[Sequence[Module]], list[str]] | None = None

    def is_met(self, value: float) -> bool:
        return self.least <= value <= self.most

    @property
    def target(self) -> str:
        return f"{self.least:g} to {self.most:g}" if self.least else f"at most {self.most:g}"


FIGURES: tuple[Figure, ...] = (
    Figure("function lines, median", length_median, 8, "6", 5),
    Figure("function lines, nine of ten", length_p90, 26, "15", 14),
    Figure("function lines, longest", length_max, 60, "55", 36),
    Figure("tokens per line in functions, median", tokens_per_line, 8.5, "11.5", 10),
    Figure("ternaries per 1,000 lines", ternaries, 25, "46", 46.4),
    Figure("lines over 100 characters, %", long_lines, 0, "9.4", 9.4),
    Figure("comment lines per 100 code lines", comment_lines, 8, "1.8", 1.8, least=4),
    Figure(
        "class names with two homes, %", shared_classes, 0, "7.9", 5.6, names=shared_class_names
    ),
    Figure(
        "function names with two homes, %",
        shared_functions,
        3,
        "16",
        13,
        names=shared_function_names,
    ),
    Figure(
        "functions named by a participle, %",
        participles,
        1,
        "12.6",
        11.4,
        names=participle_functions,
    ),
    Figure("placeholder bindings, %", placeholders, 1.5, "9.7", 5.5, names=placeholder_bindings),
    Figure("Any per 1,000 lines", any_types, 4, "15.2", 15.2),
)


@dataclass(frozen=True, slots=True)
class Measurement:
    """A figure with its value: one line of the output."""

    name: str
    value: float
    target: str
    design: str
    before: float | None
    met: bool


def measure_figure(figure: Figure, modules: Sequence[Module]) -> Measurement:
    """The value of a figure over some modules, beside its target and its old values."""
    value = round(figure.measure(modules), 1)
    return Measurement(
        figure.name, value, figure.target, figure.design, figure.before, figure.is_met(value)
    )


def measure_proof(proof: Proof, folder: Path = ROOT) -> Measurement:
    """The files that one addition touched: of its commit, or the recorded count."""
    files = files_of_commit(proof.subject, folder)
    if files is None:
        files = proof.files
    name = f"files to add: {proof.kind}"
    return Measurement(
        name, files, f"at most {proof.most}", proof.design, None, files <= proof.most
    )


def measure_all(modules: Sequence[Module]) -> list[Measurement]:
    """Every figure, then every proof."""
    figures = [measure_figure(figure, modules) for figure in FIGURES]
    return figures + [measure_proof(proof) for proof in PROOFS]


def modules_by_package(modules: Iterable[Module]) -> dict[str, list[Module]]:
    """The modules of each package, in the order of the names."""
    packages: dict[str, list[Module]] = defaultdict(list)
    for module in modules:
        packages[module.package].append(module)
    return dict(sorted(packages.items()))


# ── output ───────────────────────────────────────────────────────────────────────────────────────


def render_table(measurements: Iterable[Measurement]) -> str:
    """The measurements as text, a line for each."""
    return "\n".join(
        [
            _render_line("", "now", "target", "design", "before", ""),
            *map(_render_measurement, measurements),
        ]
    )


def _render_measurement(measurement: Measurement) -> str:
    before = "" if measurement.before is None else f"{measurement.before:g}"
    mark = "met" if measurement.met else "MISSED"
    value = f"{measurement.value:g}"
    return _render_line(
        measurement.name, value, measurement.target, measurement.design, before, mark
    )


def _render_line(name: str, value: str, target: str, design: str, before: str, mark: str) -> str:
    return f"{name:<38}{value:>7}   {target:<12}{design:>7}{before:>8}   {mark}".rstrip()


def render_packages(figure: Figure, packages: Mapping[str, Sequence[Module]]) -> str:
    """Where a figure misses its target: the packages that miss it, the worst first."""
    values = {name: round(figure.measure(modules), 1) for name, modules in packages.items()}
    missed = {name: value for name, value in values.items() if not figure.is_met(value)}
    worst_first = sorted(missed, key=missed.__getitem__, reverse=not figure.least)
    return "\n".join(f"    {name:<34}{missed[name]:>7g}" for name in worst_first)


def render_names(figure: Figure, modules: Sequence[Module]) -> str:
    """The names that a figure counts, a line for each; empty for a figure that counts none."""
    if figure.names is None:
        return ""
    return "\n".join(f"    {line}" for line in figure.names(modules))


def as_json(measurements: Iterable[Measurement]) -> str:
    """The measurements as a JSON array of objects."""
    rows = [
        {
            "name": one.name,
            "value": one.value,
            "target": one.target,
            "design": one.design,
            "before": one.before,
            "met": one.met,
        }
        for one in measurements
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False)


def render_report(modules: Sequence[Module], *, by_package: bool, names: bool) -> str:
    """The table, then for each figure the asked details."""
    parts = [render_table(measure_all(modules))]
    packages = modules_by_package(modules)
    for figure in FIGURES:
        details = render_packages(figure, packages) if by_package else ""
        listed = render_names(figure, modules) if names else ""
        parts += [f"\n{figure.name}" * bool(details or listed), details, listed]
    return "\n".join(part for part in parts if part)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=PACKAGE, help="the folder to measure")
    parser.add_argument("--by-package", action="store_true", help="show the packages that miss")
    parser.add_argument("--names", action="store_true", help="list the names that figures count")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    modules = read_modules(options.root)
    measurements = measure_all(modules)
    if options.json:
        print(as_json(measurements))
    else:
        print(render_report(modules, by_package=options.by_package, names=options.names))
    return 0 if all(measurement.met for measurement in measurements) else 1


if __name__ == "__main__":
    sys.exit(main())
