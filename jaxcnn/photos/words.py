"""From words to the classes of a network, through WordNet's hierarchy of their names."""

from collections.abc import Sequence


class UnknownWordError(ValueError):
    """A word means no class.

    Attributes:
      word: the word.
      suggestions: known words, the most alike first; () where none is alike.
    """

    def __init__(self, word: str, suggestions: Sequence[str]) -> None:
        self.word = word
        self.suggestions = tuple(suggestions)
        meant = f"did you mean {', '.join(self.suggestions)}?" if suggestions else "none is like it"
        super().__init__(f"no class of the network is called {word!r}; {meant}")


class WordTable:
    """The words that mean classes of a network.

    Args:
      class_names: in the order of the labels.
      wordnet_ids: WordNet 3.0's id of each class; () where they have none.
    """

    def __init__(self, class_names: Sequence[str], wordnet_ids: Sequence[str] = ()) -> None:
        raise NotImplementedError

    def find(self, text: str) -> tuple[tuple[int, ...], ...]:
        """Find the classes that words mean."""
        raise NotImplementedError
