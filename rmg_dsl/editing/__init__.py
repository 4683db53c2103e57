"""Help for those who write a spec: what may stand at a cursor, what a word means, which words there are to colour."""

from rmg_dsl.editing.completion import Completion, complete
from rmg_dsl.editing.help import help_at, help_on
from rmg_dsl.editing.vocabulary import Vocabulary, vocabulary

__all__ = ["Completion", "Vocabulary", "complete", "help_at", "help_on", "vocabulary"]
