"""A network's answer to one photo."""

from typing import NamedTuple


class Prediction(NamedTuple):
    """A network's answer to one photo."""

    label: str  # name of the most probable class
    probability: float  # of that class
    probabilities: dict[str, float]  # of each class; they sum to 1 unless several may apply
    # Names of the classes that apply, the most probable first: that one alone where one label does.
    labels: tuple[str, ...] = ()
    is_known: bool = True  # False for "none of these"; True also where nothing judges that
    score: float | None = None  # higher is more like the training photos; None likewise
    set: tuple[str, ...] | None = None  # holds the right class as promised, where asked for

    def __str__(self) -> str:
        """Say what the photo shows.

        Example:
          >>> print(Prediction("cat", 0.97, {"cat": 0.97, "dog": 0.03}, is_known=False))
          none of these (most like: cat 97.0%)
        """
        most = f"{self.label} {self.probability:.1%}"
        return most if self.is_known else f"none of these (most like: {most})"

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """Name the most probable classes with their probabilities, most probable first.

        Raises:
          ValueError: if count is not above 0.
        """
        if count < 1:
            raise ValueError(f"count must be a whole number above 0, got {count}.")
        ranked = sorted(self.probabilities.items(), key=lambda item: -item[1])
        return ranked[:count]

    def _repr_html_(self) -> str:
        """Show the most probable classes in a notebook."""
        from jaxcnn.host.html import table  # only notebooks ask

        caption = "" if self.is_known else str(self)
        rows = [(k, f"{v:.1%}") for k, v in self.top()]
        return table(["class", "probability"], rows, caption=caption)
