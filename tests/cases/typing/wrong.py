"""Calls that a type checker refuses; each line names the code of its error."""

from __future__ import annotations

import rmg_dsl as rmg

SPEC = "grader brief = words(response) <= 2"
ROWS = [{"response": "a b"}]

rmg.grade(SPEC, ROWS, limit="10")  # error: arg-type
rmg.grade(SPEC, ROWS, modle="openai/gpt-6-luna")  # error: call-arg
rmg.grade(SPEC, ROWS, cache="refersh")  # error: arg-type
rmg.grade(SPEC, ROWS, model=3)  # error: arg-type
rmg.grade(SPEC, ROWS, functions=[str.upper])  # error: arg-type
rmg.grade(SPEC, ROWS, params=["floor=3"])  # error: arg-type
rmg.grade(3, ROWS)  # error: arg-type
coroutine = rmg.agrade(SPEC, ROWS, on_row="print")  # error: arg-type
rmg.loads(SPEC).plan(ROWS, sample=0.5)  # error: arg-type
rmg.read("scored.csv", model="openai/gpt-6-luna")  # error: call-arg
options: rmg.GradeOptions = {"limti": 10}  # error: typeddict-unknown-key
model: rmg.Model = "openai/gpt-6-luna"  # error: assignment
attribute = rmg.nothing  # error: attr-defined
