"""Support for editors: completion at a cursor, help on a word, and the words to colour."""

from rmg_dsl.editing.completion import Completion, complete
from rmg_dsl.editing.help import help_at, help_on
from rmg_dsl.editing.vocabulary import Vocabulary, vocabulary

__all__ = ["Completion", "Vocabulary", "complete", "help_at", "help_on", "vocabulary"]
