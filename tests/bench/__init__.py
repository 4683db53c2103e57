"""Measurements, never tests: `python -m tests.bench.calls` and `python -m tests.bench.local`.

Both write JSON with `--json FILE`; `python -m tests.bench.history` adds it to `history.jsonl`.
"""
