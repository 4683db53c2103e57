"""Asking, deliberating and reading: questions as messages, replies as scores, draws as one. No vendor, no network."""

from rmg_dsl.judge.criteria import BadRubric
from rmg_dsl.judge.deliberation import ONLY, Draw, deliberate
from rmg_dsl.judge.enquiries import Answers, Asker, Enquiry, Holds, Key
from rmg_dsl.judge.questions import GraderAsker
from rmg_dsl.judge.replies import follow_up, read

__all__ = [
    "ONLY",
    "Answers",
    "Asker",
    "BadRubric",
    "Draw",
    "Enquiry",
    "GraderAsker",
    "Holds",
    "Key",
    "deliberate",
    "follow_up",
    "read",
]
