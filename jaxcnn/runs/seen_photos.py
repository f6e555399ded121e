"""Which photos a network's weights were trained on: digests, kept beside the weights.

Before it trains, a run writes down its own training photos and those of the runs that its weights
come from. Test photos are compared with them, one by one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxcnn.data.datasets import ImageSplits
from jaxcnn.host.files import DamagedFileError, open_arrays
from jaxcnn.runs.folder import SEEN_PHOTOS


class SeenPhotos(NamedTuple):
    """The photos that weights were trained on, as far as they are known.

    Attributes:
      digests: of each photo, see `data.source.example_digests`.
      unknown: names of the weights among the ancestors whose training photos are not known.
      split: the settings by which the run that trained the weights split its photos, or "".
    """

    digests: frozenset[bytes] = frozenset()
    unknown: tuple[str, ...] = ()
    split: str = ""

    def among(self, digests: Sequence[bytes]) -> np.ndarray:
        """Give the (M,) positions of the photos that the weights were trained on."""
        return np.flatnonzero([digest in self.digests for digest in digests])


def load_seen(best: Path, name: str) -> SeenPhotos:
    """Read which photos the weights in a folder of best checkpoints were trained on.

    Args:
      best: the folder, `checkpoints/best` of a run.
      name: what to call the weights if that is not known, since an older version trained them.

    Returns:
      What is known.

    Raises:
      ValueError: if the file that says so is damaged.
    """
    path = best / SEEN_PHOTOS
    if not path.is_file():
        return SeenPhotos(unknown=(name,))
    try:
        with open_arrays(path) as arrays:
            digests, unknown = arrays["digests"], arrays["unknown"]
    except DamagedFileError as error:
        raise ValueError(
            f"{path} is damaged; bring it back from a copy, or remove it: which photos the weights "
            "saw then counts as unknown."
        ) from error
    return SeenPhotos(frozenset(map(bytes, digests)), tuple(unknown.tolist()))


def check_unseen(
    data: ImageSplits, before: SeenPhotos, *, allowed: bool = False, of: str = "these weights"
) -> None:
    """Refuse to test on photos that the weights were trained on in another run.

    Args:
      data: the photos, those of the test among them.
      before: what the weights were trained on.
      allowed: test all the same.
      of: what was trained on them, for the message.

    Raises:
      ValueError: if there are such photos; the message counts them and says what to do.
    """
    if data.digests is None or allowed:
        return
    found = before.among(data.digests[2])
    if found.size:
        split = f" ({before.split})" if before.split else ""
        raise ValueError(
            f"{found.size} of {len(data.test)} test photos, e.g. {data.test.names[found[0]]}, were "
            f"seen in the training of {of}, so the test result would be too good. Split "
            f"the photos as that run did{split}, give other test photos, or test all the same with "
            "allow_seen_test_photos=True."
        )


def count_seen(data: ImageSplits, best: Path, name: str) -> dict[str, Any]:
    """Count the validation and test photos that a run's weights were trained on.

    Args:
      data: the photos.
      best: the folder of the best checkpoints.
      name: of the run.

    Returns:
      JSON values: two counts, None if the photos were not compared, and the names of the weights
      whose training photos are not known.
    """
    seen = load_seen(best, name)
    if data.digests is None:  # the splits of this run share no photo by name
        unknown = [each for each in seen.unknown if each != name]
        return {"num_validation_seen": None, "num_test_seen": None, "seen_unknown": unknown}
    validation, test = (seen.among(digests).size for digests in data.digests[1:])
    unknown = list(seen.unknown)
    return {"num_validation_seen": validation, "num_test_seen": test, "seen_unknown": unknown}
