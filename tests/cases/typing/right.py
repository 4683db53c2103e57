"""Calls that a type checker accepts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import assert_type

import rmg_dsl as rmg

SPEC = "grader brief = words(response) <= 2"
ROWS = [{"response": "a b"}]


class Echo:
    """A model of the caller's own: a protocol, so it inherits nothing."""

    name = "echo"
    note = ""

    async def complete(self, request: rmg.Request) -> rmg.Reply:
        return rmg.Reply(request.messages[-1].content, usage=rmg.Usage(calls=1))

    async def close(self) -> None:
        pass


def shared_options(limit: int) -> rmg.GradeOptions:
    return {"limit": limit, "cache": "refresh"}


model: rmg.Model = Echo()
assert_type(rmg.grade(SPEC, ROWS), rmg.Result)
rmg.grade(SPEC, ROWS, model=model, limit=1, cache=False, only=["brief"], log=Path("log.jsonl"))
rmg.grade(SPEC, ROWS, model={"judge": "openai/gpt-6-luna", "": Echo()}, params={"floor": 3})
rmg.grade(SPEC, ROWS, functions={"shout": str.upper}, on_row=lambda row: print(row["brief"]))
rmg.grade(SPEC, ROWS, **shared_options(1))
asyncio.run(rmg.agrade(SPEC, ROWS, concurrency=4, budget=1.5))
suite = rmg.loads(SPEC)
assert_type(suite.plan(ROWS, sample=5, seed=7), rmg.PlanView)
frame = rmg.read("scored.csv", limit=10)
status: rmg.Status = rmg.Score(3).status
try:
    rmg.grade(SPEC, ROWS, model="openai/gpt-6-luna")
except rmg.CallError as error:
    assert_type(error.status_code, int | None)
