"""Questions as messages, replies as scores, many draws as one score. No vendor and no network.

`protocol` says what a step asks and resolves. `questions`, `pairwise`, `ranking` and `writer` make
questions; `prompt_layout` renders them. `replies` reads a reply, `probabilities` its first word.
`pooling` and `panel` turn several draws into one score.
"""

from rmg_dsl.judge.criteria import BadRubric
from rmg_dsl.judge.pairwise import PairAsker
from rmg_dsl.judge.panel import SINGLE_DRAW, Draw, resolve_draws
from rmg_dsl.judge.protocol import Answers, Asker, ConditionCheck, DraftPlace, Enquiry, EnquiryKey
from rmg_dsl.judge.questions import GraderAsker
from rmg_dsl.judge.rank_math import comparison_count_range, shares_of
from rmg_dsl.judge.ranking import (
    GroupRanking,
    ListwiseSession,
    PairwiseSession,
    ranking_from_scores,
)
from rmg_dsl.judge.replies import follow_up, read_reply
from rmg_dsl.judge.writer import DraftWriter, feedback_on

__all__ = [
    "SINGLE_DRAW",
    "Answers",
    "Asker",
    "BadRubric",
    "ConditionCheck",
    "DraftPlace",
    "DraftWriter",
    "Draw",
    "Enquiry",
    "EnquiryKey",
    "GraderAsker",
    "GroupRanking",
    "ListwiseSession",
    "PairAsker",
    "PairwiseSession",
    "comparison_count_range",
    "feedback_on",
    "follow_up",
    "ranking_from_scores",
    "read_reply",
    "resolve_draws",
    "shares_of",
]
