"""Rules about the source as a whole: one home for each name, names that say something, no import
cycle.

`import-linter` checks the layers; this checks what it does not see.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

import pytest
from house import (
    FIGURES,
    PACKAGE,
    Module,
    participle_functions,
    read_modules,
    shared_class_names,
    shared_function_names,
    shared_functions,
)
from paths import TESTS

MODULES = read_modules(PACKAGE)
MAX_SHARED_FUNCTIONS = next(f.most for f in FIGURES if f.measure is shared_functions)
# Names of counts in the public API (`Usage`) and in the protocol that reads them, and of
# `Result.stopped`; the methods
# of the tree builder have the names of their grammar rules.
PARTICIPLES_OF_THE_INTERFACE = {"cached", "imported", "retried", "stopped", "valued"}


def test_a_class_name_has_one_home() -> None:
    assert shared_class_names(MODULES) == []


def test_few_functions_share_a_name() -> None:
    shared = shared_function_names(MODULES)
    assert shared_functions(MODULES) <= MAX_SHARED_FUNCTIONS, "\n".join(shared)


def test_no_function_is_named_by_a_bare_participle() -> None:
    new = [
        line
        for line in participle_functions(MODULES)
        if line.split()[-1] not in PARTICIPLES_OF_THE_INTERFACE
    ]
    assert new == []


def test_every_line_of_the_list_of_slow_tests_names_a_test() -> None:
    lines = (TESTS / "slow.txt").read_text("utf-8").splitlines()
    unknown = [line for line in lines if line and not line.startswith("#") and not _is_test(line)]
    assert unknown == []


def _is_test(line: str) -> bool:
    path, _, name = line.partition("::")
    file = TESTS / path
    return file.is_file() and f"def {name}" in file.read_text("utf-8")


# ── imports ──────────────────────────────────────────────────────────────────────────────────────


def module_name(path: str) -> str:
    """The dotted name of a file below the package.

    >>> module_name("plan/steps.py"), module_name("plan/__init__.py"), module_name("__init__.py")
    ('rmg_dsl.plan.steps', 'rmg_dsl.plan', 'rmg_dsl')
    """
    parts = ["rmg_dsl", *path.removesuffix(".py").split("/")]
    return ".".join(part for part in parts if part != "__init__")


def import_graph(modules: Iterable[Module]) -> dict[str, set[str]]:
    """For each module the modules that it imports: lazily and for types only as well."""
    by_name = {module_name(module.path): module for module in modules}
    return {
        name: {target for node in module.nodes for target in _targets(node, by_name)} - {name}
        for name, module in by_name.items()
    }


def _targets(node: ast.AST, names: Mapping[str, object]) -> Iterator[str]:
    """The modules of the package that one import statement names."""
    match node:
        case ast.Import(names=aliases):
            yield from (alias.name for alias in aliases if alias.name in names)
        case ast.ImportFrom(module=str(package), names=aliases):
            for alias in aliases:
                submodule = f"{package}.{alias.name}"
                target = submodule if submodule in names else package
                if target in names:
                    yield target


def find_cycle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """A chain of names that comes back to its first one; empty where there is none.

    >>> find_cycle({"a": ["b"], "b": ["c"], "c": ["b"]})
    ['b', 'c', 'b']
    >>> find_cycle({"a": ["b", "c"], "b": ["c"], "c": []})
    []
    """
    finished: set[str] = set()
    for start in graph:
        cycle = _cycle_from(start, graph, finished, [])
        if cycle:
            return cycle
    return []


def _cycle_from(
    name: str, graph: Mapping[str, Iterable[str]], finished: set[str], path: list[str]
) -> list[str]:
    if name in path:
        return [*path[path.index(name) :], name]
    if name in finished:
        return []
    for target in sorted(graph[name]):
        cycle = _cycle_from(target, graph, finished, [*path, name])
        if cycle:
            return cycle
    finished.add(name)
    return []


def test_no_module_imports_itself_over_others() -> None:
    assert find_cycle(import_graph(MODULES)) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("from rmg_dsl.b import x\n", "from rmg_dsl.a import y\n"),
        ("from rmg_dsl import b\n", "import rmg_dsl.a\n"),
        ("def f():\n    from rmg_dsl import b\n", "def f():\n    import rmg_dsl.a\n"),
        ("import rmg_dsl.b\n", "if TYPE_CHECKING:\n    from rmg_dsl.a import y\n"),
    ],
)
def test_a_cycle_is_found_whatever_the_import_looks_like(first: str, second: str) -> None:
    graph = import_graph([Module("a.py", first), Module("b.py", second)])
    assert find_cycle(graph) == ["rmg_dsl.a", "rmg_dsl.b", "rmg_dsl.a"]
