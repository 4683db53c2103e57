"""One loop for everything: `rmg.grade` wherever Python runs, with nothing hanging and nothing
complaining.

Each script is a process of its own that asks a real server, and every warning in it is an error.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from textwrap import dedent

import pytest
from loopback import Asked, Loopback, Told, verdict

HEAD = """\
import asyncio, os, sys, threading
import rmg_dsl as rmg

SPEC = f'''
model judge = llm("vllm/a", base_url="{sys.argv[1]}", concurrency=4)
grader kind -> 1..5 = "How kind? {{{{ response }}}}"
'''
ROWS = [{"response": f"row {i}"} for i in range(6)]


def kind(_=None, **options):
    return rmg.grade(SPEC, ROWS, **options).df["kind"].tolist()


"""
# Each prints what it found, and how many calls that takes: a question that was answered is never
# asked again.
SCRIPTS = {
    "twice in a row": ("print(kind(), kind())", 6),
    "in a running loop": (
        """
        async def main():
            return kind(), (await rmg.agrade(SPEC, ROWS, cache=False)).df["kind"].tolist()

        print(*asyncio.run(main()), *asyncio.run(main()))
        """,
        18,
    ),
    "in a thread": (
        """
        thread = threading.Thread(target=lambda: print(kind()))
        thread.start(), thread.join()
        """,
        6,
    ),
    "in eight threads at once": (
        """
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(8) as pool:
            print(*pool.map(kind, range(8)))
        """,
        6,
    ),
    "after a fork": (
        """
        print(kind(), flush=True)
        child = os.fork()
        print(kind(cache=False), flush=True)
        if child:
            assert os.waitpid(child, 0)[1] == 0
        """,
        18,
    ),
    "after a fork in the middle of a run": (
        """
        begun = threading.Event()
        busy = threading.Thread(target=lambda: kind(cache=False, on_row=lambda _: begun.set()))
        busy.start(), begun.wait()
        child = os.fork()
        if not child:
            print(kind(cache=False), flush=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        busy.join()
        """,
        12,
    ),
    "in a pool of processes": (
        """
        import multiprocessing

        print(kind())
        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(*pool.map(kind, range(2)))
            pool.close(), pool.join()
        """,
        6,
    ),
}
FOUND = "[4, 4, 4, 4, 4, 4]"


def started(script: str, url: str) -> subprocess.Popen[str]:
    # Python 3.12 warns of any fork in a process with threads; what they do it cannot know.
    warnings = ["-W", "error", "-W", "ignore:This process:DeprecationWarning"]
    command = [sys.executable, *warnings, "-c", HEAD + dedent(script), url]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_grades_wherever_python_runs(name: str) -> None:
    script, calls = SCRIPTS[name]
    with Loopback(verdict(4)) as server, started(script, server.url) as process:
        out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert FOUND in out
    assert out.replace(FOUND, "").split() == []
    assert len(server.asked) == calls


# The first call is under way when the script reads its line.
LEAVING = {
    "in a thread that nobody waits for": """
        threading.Thread(target=kind, daemon=True).start()
        sys.stdin.readline()
        """,
    "that an interrupt left behind": """
        from rmg_dsl.api import Options, prepare, run_job
        from rmg_dsl.api.grading import stop_handler

        job = prepare(SPEC, ROWS, Options())
        stop = stop_handler(job, hurried=True)
        threading.Thread(target=lambda: (sys.stdin.readline(), stop())).start()
        assert set(run_job(job).df["kind_status"]) == {"cancelled"}
        """,
}


@pytest.mark.parametrize("name", LEAVING)
def test_a_process_ends_without_a_word_while_there_are_calls(name: str) -> None:
    asked = threading.Event()

    def judge(_: Asked) -> Told:
        asked.set()
        return Told(body=verdict(4).body, held=True)

    with Loopback(judge) as server, started(LEAVING[name], server.url) as process:
        try:
            assert asked.wait(60)
            out, err = process.communicate("\n", timeout=60)
        finally:
            server.let_go()
    assert (process.returncode, out, err) == (0, "", "")
