"""What is used of tensorflow-datasets beyond its public interface, in one place.

Checked with tensorflow-datasets 4.9.10. Each use has a fallback where the name is gone: sets are
then prepared with TensorFlow, with tfds's own number of retries, and its messages stay whole.
"""

import contextlib
import importlib
import re
from collections.abc import Iterator
from importlib import metadata
from typing import Any

_RETRIES = 4  # tfds's own 10, with doubling waits, keep silent for minutes where no network is


class NeedsTensorFlowError(ImportError):
    """A builder needs a part of TensorFlow that has no stand-in."""


def lazy_tensorflow() -> Any:
    """Give the object that tfds's modules hold as `tf` until they need TensorFlow.

    Raises:
      NeedsTensorFlowError: if this version of tfds keeps none where it is known to.
    """
    module = "tensorflow_datasets.core.utils.lazy_imports_utils"
    try:
        return importlib.import_module(module).tensorflow
    except (ImportError, AttributeError) as error:
        raise NeedsTensorFlowError(
            f"tensorflow-datasets {metadata.version('tensorflow-datasets')} keeps its TensorFlow "
            "where this does not find it; 4.9.10 is known"
        ) from error


@contextlib.contextmanager
def fewer_retries() -> Iterator[None]:
    """Let tfds give up a download after few tries; where it has no such number, after its own."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError, AttributeError):
            downloader: Any = importlib.import_module(
                "tensorflow_datasets.core.download.downloader"
            )
            stock = downloader.MAX_RETRIES
            stack.callback(setattr, downloader, "MAX_RETRIES", stock)
            downloader.MAX_RETRIES = _RETRIES
        yield


def plain_reason(error: Exception) -> str:
    """Give the first line of tfds's message, without the call that it may begin with."""
    text = re.sub(r"^Failed to construct dataset .*?}\": ", "", str(error)).strip()
    return (text.splitlines() or [type(error).__name__])[0]
