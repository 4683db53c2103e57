"""Asking, deliberating and reading: questions as messages, replies as scores, draws as one. No vendor, no network."""

from rmg_dsl.judge.criteria import BadRubric
from rmg_dsl.judge.pairwise import PairAsker
from rmg_dsl.judge.panel import ONLY, Draw, deliberate
from rmg_dsl.judge.protocol import Answers, Asker, DraftPlace, Enquiry, Holds, Key
from rmg_dsl.judge.questions import GraderAsker
from rmg_dsl.judge.rank_math import fewest_and_most, shares_of
from rmg_dsl.judge.ranking import Listing, Standing, Tournament, standing_of
from rmg_dsl.judge.replies import follow_up, read
from rmg_dsl.judge.writer import Writer, feedback_on

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
    "Listing",
    "PairAsker",
    "Standing",
    "Tournament",
    "Writer",
    "deliberate",
    "feedback_on",
    "fewest_and_most",
    "follow_up",
    "read",
    "shares_of",
    "standing_of",
]
