"""What is looked through: findings in their order, and what was decided about each."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from jaxcnn.data.decisions.decision_log import DecisionLog
from jaxcnn.data.decisions.decision_table import EXCLUDE, KEEP, RELABEL, UNDO, Decision
from jaxcnn.data.encode import encode_image
from jaxcnn.data.source import image_digest
from jaxcnn.host.text import printable
from jaxcnn.photos.server.safe_files import PhotoGoneError
from jaxcnn.runs.findings import Finding, Findings

_GONE = "was moved, deleted or changed since it was judged; start this program again."


class Review:
    """A run's findings, by their numbers, and the table of decisions about them.

    Any number of threads may share it; nothing but the table is ever written.

    Args:
      findings: as `jaxcnn.runs.find_findings` gives.
      log: the table that decisions are written to.
    """

    def __init__(self, findings: Findings, log: DecisionLog) -> None:
        self.findings, self.log = findings, log
        items = findings.items
        own = [item.name for item in items]
        self.names = list(dict.fromkeys([*own, *(name for item in items for name in item.others)]))
        self.numbers = {name: number for number, name in enumerate(self.names)}

    @property
    def items(self) -> Sequence[Finding]:
        """The photos to look at, worst first; a photo's number is its place among them."""
        return self.findings.items

    def of_kind(self, kind: str) -> list[int]:
        """List the numbers of the photos that are listed for a kind of reason; "" for all."""
        return [i for i, item in enumerate(self.items) if not kind or kind in item.kinds]

    def decided(self) -> Mapping[int, Decision]:
        """Give what was decided, by the photos' numbers."""
        rows = self.log.current()
        return {i: rows[item.name] for i, item in enumerate(self.items) if item.name in rows}

    def version(self, number: int) -> int:
        """Give the number of decisions that were made about a photo so far."""
        return self.log.version(self.items[number].name)

    def exclude(self, number: int, *, version: int | None = None) -> None:
        """Decide that a photo is left out. Errors as `jaxcnn.data.DecisionLog.add`."""
        self._add(number, EXCLUDE, version=version)

    def label(self, number: int, label: str, *, version: int | None = None) -> None:
        """Decide which class a photo shows; its label is kept, or changed. Errors as `exclude`."""
        # Decisions that the run was trained with may have changed its label already.
        is_kept = label == self.items[number].source_label
        self._add(number, KEEP if is_kept else RELABEL, "" if is_kept else label, version=version)

    def undo(self, number: int, *, version: int | None = None) -> None:
        """Take back the last decision about a photo. Errors as `exclude`."""
        self._add(number, UNDO, version=version)

    def _add(
        self, number: int, decision: str, new_label: str = "", *, version: int | None = None
    ) -> None:
        item, time = self.items[number], datetime.now(UTC).isoformat(timespec="seconds")
        row = Decision(item.name, decision, item.source_label, new_label, time)
        self.log.add(row, version=version)

    def read(self, number: int) -> bytes:
        """Read a photo's file, if it is the one that was judged; pixels become a PNG file.

        Raises:
          PhotoGoneError: if it is another one now, cannot be read, or there is none.
        """
        name = self.names[number]
        stored = self.findings.photos.get(name)
        if stored is None:
            raise PhotoGoneError("this photo cannot be read.")
        try:
            image = stored.source[stored.place].image
        except OSError as error:
            raise PhotoGoneError(f"{printable(name)} {_GONE}") from error
        if image_digest(image) != stored.digest:
            raise PhotoGoneError(f"{printable(name)} {_GONE}")
        return image if isinstance(image, bytes) else encode_image(image, "PNG")
