"""Measurements, never tests: `python -m tests.bench.calls` and `python -m tests.bench.local`."""
