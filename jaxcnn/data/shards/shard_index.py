"""What a large set of tar shards says of its images, read through once and cached for later runs.

A tar file has no table of contents: a million photos take minutes to list. What comes of it takes
seconds to read again.
"""

import contextlib
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from jaxcnn.data.bad_files import SkippedFile
from jaxcnn.data.shards.packed import Place
from jaxcnn.data.source import digest_of
from jaxcnn.host.files import write_text
from jaxcnn.host.folders import cache_folder

LEAST_CACHED = 20_000  # images; fewer are listed again in a second or two
_FORMAT = 1


class Listed(NamedTuple):
    """The images of shards, and what is no image.

    Attributes:
      places: where the images lie, without their labels.
      labels: of each, as a member of its shard has it: None, a number, a text, or a list.
      left_out: what is no example, and why.
    """

    places: list[Place]
    labels: list[Any]
    left_out: list[SkippedFile]


def cached_list(about: str, make: Callable[[], Listed]) -> Listed:
    """List the images of shards, or find the list that an earlier run made.

    Args:
      about: a text that changes whenever the list may have changed.
      make: lists them.

    Returns:
      The list.
    """
    path = cache_folder() / "shards" / f"{digest_of(_FORMAT, about)[:32]}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return _read(json.loads(path.read_text("utf-8")))
    found = make()
    if len(found.places) >= LEAST_CACHED:
        with contextlib.suppress(OSError):  # no room for it; the next run lists them again
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, json.dumps(found._asdict()))
    return found


def _read(found: dict[str, Any]) -> Listed:
    places = [Place(*each) for each in found["places"]]
    left_out = [SkippedFile(*each) for each in found["left_out"]]
    if len(places) != len(found["labels"]):
        raise ValueError("the lists differ in length")
    return Listed(places, found["labels"], left_out)
