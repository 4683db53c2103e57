"""Asking and reading: questions as messages, replies as scores. No vendor, no network."""

from rmg_dsl.judge.questions import Asker
from rmg_dsl.judge.replies import follow_up, read

__all__ = ["Asker", "follow_up", "read"]
