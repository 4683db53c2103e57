"""What needs no network: a warm cache, start-up, parse and check, code graders, memory and speed
from file to file.

`python -m tests.bench.local`; name some of `warm store start check code plain memory files` to
measure only these. Each figure is of a process of its own. What is told "of CPU" leaves out what
else the machine does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .figures import RECORDED, Figure, read_figures, record, write_figures
from .server import endpoint
from .streams import files, memory

WARM = 'model judge = llm("vllm/bench", base_url="{url}", concurrency=256)\n\n' + "\n\n".join(
    f'grader g{number} -> 1..5 = """\n'
    f"How well does the response answer the query, from side {number}?\n\n"
    'Query: {{{{ query }}}}\n\nResponse: {{{{ response }}}}\n"""\n'
    for number in range(3)
)
SIMPLE = """
grader brief = words(response) <= 120
grader same = exact(response, reference)
grader about = contains(response, "fox")
"""
COMPARED = """
grader near = levenshtein(response, reference)
grader overlap = rouge_l(response, reference)
"""
SIXTY_WORDS = "the quick brown fox jumps over the lazy dog and runs away " * 5


def _rows(count: int) -> list[dict[str, str]]:
    return [
        {
            "query": f"What does fox {n} do?",
            "response": f"{n}: {SIXTY_WORDS}",
            "reference": f"{SIXTY_WORDS} {n}",
        }
        for n in range(count)
    ]


def _took(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def _cells(name: str, cells: int, work: Callable[[], Any]) -> Any:
    """How many cells a second a piece of work makes, by the clock and by the CPU that it took."""
    cpu = time.process_time()
    wall, found = _took(work)
    cpu = time.process_time() - cpu
    record(f"local/{name}/wall", cells / wall, "1/s")
    record(f"local/{name}/cpu", cells / cpu, "1/s")
    print(
        f"{name:6} {cells:,} cells in {wall:.2f} s: {cells / wall:,.0f} a second, {cells / cpu:,.0f} a second of CPU"
    )
    return found


def warm(rows: int = 10_000) -> None:
    """The same run twice: the second one is all from the cache."""
    import rmg_dsl as rmg

    data = _rows(rows)
    with endpoint(0.0) as url, tempfile.TemporaryDirectory() as folder:
        os.environ["RMG_CACHE_DIR"] = folder
        spec = WARM.format(url=url)
        cells = rows * 3
        _cells("cold", cells, lambda: rmg.grade(spec, data, progress=False))
        result = _cells("warm", cells, lambda: rmg.grade(spec, data, progress=False))
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
    print(f"warm   {result.usage.calls} calls; {size / cells:.0f} bytes a reply on disk")


def store(count: int = 30_000) -> None:
    """The cache by itself: what a look-up and a put cost, hashing and reading the reply among
    them.
    """
    import asyncio

    from rmg_dsl.messages import Message, Question, Reply, Request, Usage
    from rmg_dsl.models import CachedModel, ChatModel, Endpoint, ReplyCache, ScriptedModel
    from rmg_dsl.models.cached_reply import encode_reply
    from rmg_dsl.scales import Whole

    value = encode_reply(Reply(SIXTY_WORDS, finish="stop", usage=Usage(tokens_in=99)))
    prompt = "How well does the response answer the query? " * 4
    requests = [
        Request(
            Question(
                "g", Whole(1, 5), (Message("system", prompt), Message("user", f"{n} {SIXTY_WORDS}"))
            )
        )
        for n in range(count)
    ]
    with tempfile.TemporaryDirectory() as folder:
        cache = ReplyCache(Path(folder) / "replies")
        chat = ChatModel(Endpoint("http://h/v1"), "m")
        model = CachedModel(ScriptedModel({}), cache, chat.cache_key)

        def put_all() -> None:
            for request in requests:
                cache.put(chat.cache_key(request) or b"", value)
            cache.close()

        async def get_all() -> None:
            for request in requests:
                await model.complete(request)

        put, _ = _took(put_all)
        get, _ = _took(lambda: asyncio.run(get_all()))
        cache.close()
    record("local/store/put", put / count * 1e6, "µs")
    record("local/store/get", get / count * 1e6, "µs")
    print(f"store  put {put / count * 1e6:.0f} µs, get {get / count * 1e6:.0f} µs")


def start() -> None:
    """The least of five, each in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "small.rmg"
        spec.write_text("grader brief = words(response) <= 120\n")
        commands = {
            "python -c pass": ["-c", "pass"],
            "import rmg_dsl": ["-c", "import rmg_dsl"],
            "rmg check": [
                "-c",
                "from rmg_dsl.surfaces.cli import main; main()",
                "check",
                str(spec),
            ],
        }
        for name, command in commands.items():
            least = min(_took(lambda c=command: _run(c))[0] for _ in range(5))  # type: ignore[misc] # bound per turn
            record(f"local/start/{name}", least * 1e3, "ms")
            print(f"start  {name}: {least * 1e3:.0f} ms")


def _run(command: list[str]) -> None:
    subprocess.run([sys.executable, *command], check=False, capture_output=True)


def check() -> None:
    """Parse and check of specs of growing length, the least of three."""
    import rmg_dsl as rmg

    for lines in (250, 500, 1000, 2000):
        graders = (
            f'grader g{n} -> 1..5 = """\nHow good is {{{{ response }}}}, case {n}?\n"""\n'
            for n in range(lines // 4)
        )
        text = "\n".join(graders)
        least = min(_took(lambda t=text, k=k: rmg.loads(f"{t}\n# {k}\n"))[0] for k in range(3))  # type: ignore[misc]
        record(f"local/check/{lines} lines", least * 1e3, "ms")
        print(f"check  {text.count(chr(10)) + 1:,} lines: {least * 1e3:.0f} ms")


def code(rows: int = 40_000) -> None:
    """Code graders: those of one text, and all five with rapidfuzz where it is installed."""
    import rmg_dsl as rmg

    data = _rows(rows)
    for name, spec, graders in (("code", SIMPLE, 3), ("five", SIMPLE + COMPARED, 5)):
        rmg.grade(spec, data[:10], progress=False)
        _cells(name, rows * graders, lambda s=spec: rmg.grade(s, data, progress=False))  # type: ignore[misc]


def plain(rows: int = 4_000) -> None:
    """All five in plain Python."""
    import rmg_dsl as rmg

    sys.modules["rapidfuzz.distance"] = None  # type: ignore[assignment] # as if it were not installed
    data = _rows(rows)
    _cells("plain", rows * 5, lambda: rmg.grade(SIMPLE + COMPARED, data, progress=False))


PARTS: dict[str, Callable[[], None]] = {
    "warm": warm,
    "store": store,
    "start": start,
    "check": check,
    "code": code,
    "plain": plain,
    "memory": memory,
    "files": files,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=" ".join(PARTS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--only", choices=PARTS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if asked.only:
        PARTS[asked.only]()
        figures = RECORDED
    else:
        figures = {}
        for part in asked.parts or PARTS:
            figures |= _run_part(part)
    if asked.json:
        write_figures(asked.json, figures)


def _run_part(part: str) -> dict[str, Figure]:
    """One part in a process of its own, so that no part warms up another one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.json"
        command = [sys.executable, "-m", "tests.bench.local", "--only", part, "--json", str(path)]
        subprocess.run(command, check=False)
        return read_figures(path) if path.exists() else {}


if __name__ == "__main__":
    main()
