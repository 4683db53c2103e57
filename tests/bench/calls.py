"""The same work by the raw `openai` client, by raw aiohttp and by this engine, each in a process of
its own.

    python -m tests.bench.calls                    2,000 calls of 200 ms, 256 in flight, each way
    three times python -m tests.bench.calls --all              the same, then 32 in flight, then
    10,000 calls with 1,000 in flight python -m tests.bench.calls --rows 500 --concurrency 64 --ways
    aiohttp rmg --times 1 python -m tests.bench.calls --json calls.json  writes the figures to a
    file too

One endpoint in another process answers all of them. Wall and CPU count from the first call on:
start-up is aside, and shown apart. The engine goes through `rmg.grade`, with a cache on disk that
is empty at the start. The ways take turns, and of each the least counts: what else the machine does
then counts least.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .figures import RECORDED, record, write_figures
from .server import endpoint

PROMPT = "How well does the response answer the query?\n\nQuery: {query}\n\nResponse: {response}\n"
SPEC = (
    'model judge = llm("vllm/bench", base_url="{url}", concurrency={concurrency})\n\n'
    'grader relevance -> 1..5 = """\n'
    "How well does the response answer the query?\n\nQuery: {{{{ query }}}}\n\nResponse: {{{{ response }}}}\n"
    '"""\n'
)


@dataclass(frozen=True, slots=True)
class Work:
    url: str
    rows: int
    concurrency: int

    @property
    def data(self) -> Iterator[dict[str, str]]:
        words = "the quick brown fox jumps over the lazy dog and runs away from it " * 8
        for number in range(self.rows):
            yield {
                "query": f"What does the fox of case {number} do?",
                "response": f"{number}: {words}",
            }


@dataclass(frozen=True, slots=True)
class Took:
    wall: float
    cpu: float
    start: float


def _schema() -> dict[str, Any]:
    from rmg_dsl.models.reply_schema import response_format
    from rmg_dsl.scales import Whole

    return response_format(Whole(1, 5))


async def _in_flight(work: Work, call: Callable[[str], Any]) -> None:
    slots = asyncio.Semaphore(work.concurrency)

    async def one(prompt: str) -> None:
        async with slots:
            assert json.loads(await call(prompt))["verdict"] == 4

    await asyncio.gather(*(one(PROMPT.format(**row)) for row in work.data))


def by_openai(work: Work) -> Took:
    """The stock async client, as it comes."""
    import openai

    schema: Any = _schema()

    async def main() -> Took:
        async with openai.AsyncOpenAI(api_key="none", base_url=work.url) as client:

            async def call(prompt: str) -> str:
                messages: Any = [{"role": "user", "content": prompt}]
                made = await client.chat.completions.create(
                    model="bench", messages=messages, temperature=0, response_format=schema
                )
                return made.choices[0].message.content or ""

            return await _timed(work, call)

    return asyncio.run(main())


def by_aiohttp(work: Work) -> Took:
    """The least that can be done by hand: one session, one semaphore."""
    import aiohttp

    schema = _schema()

    async def main() -> Took:
        connector = aiohttp.TCPConnector(limit=work.concurrency)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def call(prompt: str) -> str:
                messages = [{"role": "user", "content": prompt}]
                body = {
                    "model": "bench",
                    "messages": messages,
                    "temperature": 0,
                    "response_format": schema,
                }
                async with session.post(f"{work.url}/chat/completions", json=body) as response:
                    found: str = (await response.json())["choices"][0]["message"]["content"]
                    return found

            return await _timed(work, call)

    return asyncio.run(main())


async def _timed(work: Work, call: Callable[[str], Any]) -> Took:
    start, wall, cpu = _since_birth(), time.perf_counter(), time.process_time()
    await _in_flight(work, call)
    return Took(time.perf_counter() - wall, time.process_time() - cpu, start)


def by_rmg(work: Work) -> Took:
    """This engine, from a list of dicts to a result; one row first, so that every import is
    done.
    """
    import rmg_dsl as rmg

    rows = list(work.data)
    spec = SPEC.format(url=work.url, concurrency=work.concurrency)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RMG_CACHE_DIR"] = folder
        rmg.grade(spec, [{"query": "warm", "response": "up"}], progress=False)
        start, wall, cpu = _since_birth(), time.perf_counter(), time.process_time()
        result = rmg.grade(spec, rows, progress=False)
        took = Took(time.perf_counter() - wall, time.process_time() - cpu, start)
    assert result.usage.calls == work.rows, result.usage
    return took


def _since_birth() -> float:
    """Seconds since this process began."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    up = float(Path("/proc/uptime").read_text().split()[0])
    return up - ticks / os.sysconf("SC_CLK_TCK")


WAYS: dict[str, Callable[[Work], Took]] = {
    "openai": by_openai,
    "aiohttp": by_aiohttp,
    "rmg": by_rmg,
}


def measured(way: str, work: Work) -> Took:
    """One way, in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.calls", "--way", way, "--url", work.url]
    command += ["--rows", str(work.rows), "--concurrency", str(work.concurrency)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way} failed:\n{done.stderr}")
    return Took(**json.loads(done.stdout.splitlines()[-1]))


def compare(rows: int, concurrency: int, latency: float, ways: list[str], times: int) -> None:
    """A table of the ways, then the engine beside each of the others."""
    ideal = rows / concurrency * latency
    print(
        f"{rows:,} calls of {latency * 1000:g} ms, {concurrency:,} in flight: ideally {ideal:.2f} s"
    )
    found: dict[str, list[Took]] = {way: [] for way in ways}
    with endpoint(latency) as url:
        for _ in range(times):
            for way in ways:
                found[way].append(measured(way, Work(url, rows, concurrency)))
    least = {way: _least(took) for way, took in found.items()}
    print(f"{'':10} {'wall s':>8} {'of ideal':>9} {'CPU ms/call':>12} {'start s':>8}")
    for way, took in least.items():
        print(
            f"{way:10} {took.wall:8.2f} {took.wall / ideal:9.2f} {took.cpu / rows * 1e3:12.3f} {took.start:8.2f}"
        )
    for way, took in least.items():
        scene = f"calls/{rows}x{concurrency}/{way}"
        record(f"{scene}/wall", took.wall, "s")
        record(f"{scene}/cpu", took.cpu / rows * 1e3, "ms/call")
        record(f"{scene}/start", took.start, "s")
    for other in set(least) - {"rmg"} if "rmg" in least else ():
        wall, cpu = least["rmg"].wall / least[other].wall, least["rmg"].cpu / least[other].cpu
        print(f"rmg takes {wall:.2f} of {other}'s wall and {cpu:.2f} of its CPU")


def _least(runs: list[Took]) -> Took:
    return Took(
        min(run.wall for run in runs), min(run.cpu for run in runs), min(run.start for run in runs)
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=[*WAYS])
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--all", action="store_true", help="at 256, 32 and 1,000 in flight")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.way:
        print(json.dumps(asdict(WAYS[asked.way](Work(asked.url, asked.rows, asked.concurrency)))))
        return
    for rows, concurrency, ways in (
        SCENES if asked.all else [(asked.rows, asked.concurrency, asked.ways)]
    ):
        compare(
            rows,
            concurrency,
            asked.latency,
            [way for way in ways if way in asked.ways],
            asked.times,
        )
    if asked.json:
        write_figures(asked.json, RECORDED)


# The stock client takes minutes for the last one.
SCENES = [(2000, 256, [*WAYS]), (1600, 32, [*WAYS]), (10_000, 1000, ["aiohttp", "rmg"])]


if __name__ == "__main__":
    main()
