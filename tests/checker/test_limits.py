"""Specs that no person wrote: too long, too deep, or made to take time. Each ends in a message."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import rmg_dsl as rmg

BELOW = "grader g0 = words(response)\n"


def chain(length: int) -> str:
    """Aggregates of which each reads the one above it."""
    return BELOW + "".join(f"aggregate g{i + 1} = g{i} + 1\n" for i in range(length))


def reversed_chain(length: int) -> str:
    """Aggregates of which each reads the one below it."""
    lines = "".join(f"aggregate g{i} = g{i + 1} + 1\n" for i in range(length))
    return f"{lines}grader g{length} = words(response)\n"


def codes(spec: str) -> list[str]:
    return [d.code for d in rmg.check(spec) if d.severity == "error"]


@pytest.mark.parametrize("make", [chain, reversed_chain])
def test_a_chain_of_aggregates_runs_or_is_a_diagnostic(make: Callable[[int], str]) -> None:
    assert codes(make(40)) == []
    frame = rmg.grade(make(40), [{"response": "a b"}]).df
    assert 42 in [frame["g0"][0], frame["g40"][0]]
    for length in (60, 200, 1_000):
        assert set(codes(make(length))) == {"RMG125"}


def test_a_diamond_of_aggregates_takes_no_exponential_time() -> None:
    lines = "".join(f"aggregate g{i + 1} = g{i} + g{i}\n" for i in range(45))
    assert str(rmg.loads(BELOW + lines).plan([{"response": "a"}])).startswith("46 steps")


HOSTILE = {
    "many names": "".join(f"{{{{ response }}}}{{{{ v{i}|default('') }}}}" for i in range(1_500)),
    "open tags": "{{" * 20_000,
    "open comments": "{#" * 20_000,
    "one letter": "a" * 200_000,
}


@pytest.mark.parametrize("prompt", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_prompt_is_checked(prompt: str) -> None:
    assert set(codes(f'grader a -> 1..5 = "{prompt}"')) <= {"RMG402", "RMG320"}


def test_thousands_of_fields_are_checked() -> None:
    fields = "".join(f"    x{i} = y{i}\n" for i in range(3_000))
    assert codes(f"fields:\n{fields}\ngrader a = words(x1)\n") == []


@pytest.mark.parametrize("key", ["samples = 1001", "samples = 1000000000", "samples = 0"])
def test_draws_have_a_bound(key: str) -> None:
    assert codes(f'grader a -> bool:\n    prompt = "{{{{ response }}}}"\n    {key}\n') == ["RMG322"]


def test_a_long_line_is_shown_around_its_place() -> None:
    spec = f'grader a = "{"x" * 300_000}" + wrods(response)\n'
    shown = rmg.check(spec)
    assert shown
    with pytest.raises(rmg.SpecError) as caught:
        rmg.loads(spec)
    assert len(str(caught.value)) < 3_000
