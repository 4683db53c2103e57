"""Asking, deliberating and reading: questions as messages, replies as scores, draws as one. No vendor, no network."""

from rmg_dsl.judge.criteria import BadRubric
from rmg_dsl.judge.deliberation import ONLY, Draw, deliberate
from rmg_dsl.judge.enquiries import Answers, Asker, DraftPlace, Enquiry, Holds, Key
from rmg_dsl.judge.questions import GraderAsker
from rmg_dsl.judge.replies import follow_up, read
from rmg_dsl.judge.writing import Writer, feedback_on

__all__ = [
    "ONLY",
    "Answers",
    "Asker",
    "BadRubric",
    "DraftPlace",
    "Draw",
    "Enquiry",
    "GraderAsker",
    "Holds",
    "Key",
    "Writer",
    "deliberate",
    "feedback_on",
    "follow_up",
    "read",
]
