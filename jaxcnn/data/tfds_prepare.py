"""Download and write tfds sets as array_record, without TensorFlow wherever that is possible.

tfds writes into a folder of its own beside the final one and renames it when all is done, so a run
that dies leaves no half set behind. A lock file makes a second process wait for the first instead
of downloading once more.
"""

import contextlib
import importlib.util
import json
import os
import shlex
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import filelock

from jaxcnn.data.tfds_internals import fewer_retries, plain_reason
from jaxcnn.data.without_tensorflow import NeedsTensorFlowError, without_tensorflow
from jaxcnn.host.extras import install
from jaxcnn.host.names import nearest_first, unknown_name
from jaxcnn.host.network import network_as_allowed

if TYPE_CHECKING:
    from tensorflow_datasets.core import DatasetBuilder

_LISTED = 10  # names or files in a message


class TfdsError(ValueError):
    """A tfds set that cannot be prepared or read, and what to do about it."""


def image_set_names() -> list[str]:
    """List the image classification sets that the installed tfds knows, sorted.

    Returns:
      Names for `load_tfds`.
    """
    import tensorflow_datasets as tfds
    from tensorflow_datasets import image_classification
    from tensorflow_datasets.core.naming import camelcase_to_snakecase

    exported = {camelcase_to_snakecase(name) for name in dir(image_classification)}
    return sorted(exported.intersection(tfds.list_builders(with_community_datasets=False)))


def find_builder(name: str, *, data_dir: str | None = None) -> "DatasetBuilder":
    """Find the builder of a set, by its prepared files or by tfds's code; prepare nothing.

    Args:
      name: `set`, `set/config`, `set:version` or `set/config:version`.
      data_dir: folder of all tfds sets; None for tfds's own (TFDS_DATA_DIR, ~/tensorflow_datasets).

    Returns:
      The builder.

    Raises:
      ValueError: if the set is unknown; the nearest known ones are listed.
      TfdsError: if its configuration or version is unknown, or its files are damaged.
    """
    import tensorflow_datasets as tfds
    from google.protobuf.json_format import ParseError
    from tensorflow_datasets.core.dataset_info import DatasetInfoFileError
    from tensorflow_datasets.core.utils.error_utils import record_error_context

    folder = None if data_dir is None else os.path.expanduser(data_dir)
    try:
        with record_error_context():  # else tfds adds the names of all its sets to the message
            return tfds.builder(name, data_dir=folder)
    except tfds.core.DatasetNotFoundError:
        nearest = nearest_first(name, image_set_names())[:_LISTED]
        raise unknown_name("tfds image set", name, nearest) from None
    except (ParseError, DatasetInfoFileError) as error:
        raise TfdsError(
            f"the tfds set {name!r} in {data_dir or 'the default folder'} has a damaged "
            f"dataset_info.json or features.json ({error}); delete the set's folder and run again."
        ) from error
    except (AssertionError, ImportError, TypeError, ValueError) as error:
        _raise_if_config_unknown(name)
        raise TfdsError(
            f"no tfds set {name!r}: {plain_reason(error)} Names are set, set/config, "
            "set:version or set/config:version."
        ) from error


def _raise_if_config_unknown(name: str) -> None:
    import tensorflow_datasets as tfds

    set_name, _, rest = name.partition("/")
    config = rest.partition(":")[0]
    if config and set_name in tfds.list_builders(with_community_datasets=False):
        known = tfds.builder_cls(set_name).builder_configs
        if known and config not in known:
            nearest = nearest_first(config, known)[:_LISTED]
            raise unknown_name(f"configuration of {set_name}", config, nearest) from None


def prepare_tfds(name: str, data_dir: str | None = None) -> "DatasetBuilder":
    """Download a tfds set and write it as array_record, unless that is done already.

    Works without TensorFlow for sets whose builders only read files and encode PNG or JPEG; see
    `jaxcnn.data.without_tensorflow`. Where TensorFlow is installed, it is used. tfds shows its own
    progress bars, and verifies checksums wherever it knows them.

    Args:
      name: `set`, `set/config`, `set:version` or `set/config:version`.
      data_dir: folder of all tfds sets; None for tfds's own (TFDS_DATA_DIR, ~/tensorflow_datasets).

    Returns:
      The builder of the prepared set.

    Raises:
      ValueError: if the set is unknown; the nearest known ones are listed.
      TfdsError: if it cannot be prepared: no network, wrong checksum, files to be fetched by hand,
        a builder that needs TensorFlow, a folder left half by other means. Says what to do.
    """
    builder = find_builder(name, data_dir=data_dir)
    if not builder.data_path.exists():
        lock = filelock.FileLock(builder.data_dir_root / f".{builder.name}.lock")
        with _explained(builder, name, data_dir), lock:
            if not builder.data_path.exists():  # another process may just have written it
                _write(_own_builder(builder))
        builder = find_builder(name, data_dir=data_dir)
    if not builder.is_prepared():
        raise TfdsError(
            f"{builder.data_dir} is no complete tfds set: dataset_info.json or features.json is "
            "missing. Delete that folder and run again, which prepares it again."
        )
    return builder


def preparation_command(name: str, data_dir: str | None = None) -> str:
    """Write the shell command that prepares a set with stock tfds and TensorFlow.

    Args:
      name: `set`, `set/config`, `set:version` or `set/config:version`.
      data_dir: folder of all tfds sets; None for tfds's own.

    Returns:
      One line for a POSIX shell.

    Example:
      >>> print(preparation_command("dmlab"))  # doctest: +NORMALIZE_WHITESPACE
      python -c 'import tensorflow_datasets as tfds;
      tfds.builder("dmlab", file_format="array_record").download_and_prepare()'
    """
    folder = "" if data_dir is None else f"data_dir={json.dumps(os.path.expanduser(data_dir))}, "
    code = (
        "import tensorflow_datasets as tfds; "
        f'tfds.builder({json.dumps(name)}, {folder}file_format="array_record")'
        ".download_and_prepare()"
    )
    return f"python -c {shlex.quote(code)}"


def _own_builder(builder: "DatasetBuilder") -> "DatasetBuilder":
    if builder.name != "cats_vs_dogs":
        return builder
    from jaxcnn.data.cats_vs_dogs import CatsVsDogs

    return CatsVsDogs(data_dir=os.fspath(builder.data_dir_root), version=builder.version)


def _write(builder: "DatasetBuilder") -> None:
    import tensorflow_datasets as tfds

    config = tfds.download.DownloadConfig(try_download_gcs=False)  # that bucket holds tfrecord only
    allowed = network_as_allowed()
    with (
        allowed,
        fewer_retries(),
        contextlib.nullcontext() if _has_tensorflow() else without_tensorflow(),
    ):
        builder.download_and_prepare(file_format="array_record", download_config=config)


def _has_tensorflow() -> bool:
    return importlib.util.find_spec("tensorflow") is not None


@contextlib.contextmanager
def _explained(builder: "DatasetBuilder", name: str, data_dir: str | None) -> Iterator[None]:
    import requests
    from tensorflow_datasets.core.download import DownloadError, download_manager, extractor

    try:
        yield
    except ImportError as error:
        raise TfdsError(_needs_package(error, name, data_dir)) from error
    except (requests.RequestException, DownloadError) as error:
        raise TfdsError(_no_download(builder, name, error)) from error
    except download_manager.NonMatchingChecksumError as error:
        raise TfdsError(
            f"a download of the tfds set {name!r} is not the published file: {error}\n"
            "Delete it and run again; if it stays so, the publisher has changed the file."
        ) from error
    except (AssertionError, OSError, RuntimeError, ValueError, extractor.ExtractError) as error:
        missing = _import_error_behind(error)
        if missing is not None:
            raise TfdsError(_needs_package(missing, name, data_dir)) from error
        if builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
            raise TfdsError(_fetch_by_hand(builder, name, error)) from error
        raise TfdsError(f"could not prepare the tfds set {name!r}: {error}") from error


def _import_error_behind(error: BaseException | None) -> ImportError | None:
    while error is not None and not isinstance(error, ImportError):
        error = error.__cause__ or error.__context__
    return error


def _needs_package(error: ImportError, name: str, data_dir: str | None) -> str:
    message = str(error).strip().rstrip(".")
    if not isinstance(error, NeedsTensorFlowError) and "'tensorflow'" not in message:
        return f"the tfds set {name!r} needs one more package to be prepared: {message}."
    return (
        f"the builder of the tfds set {name!r} cannot do without TensorFlow ({message}). Install "
        f"it with\n  {install('tensorflow')}\nand prepare the set once with\n  "
        f"{preparation_command(name, data_dir)}\nIt is then read without TensorFlow."
    )


def _no_download(builder: "DatasetBuilder", name: str, error: Exception) -> str:
    files = [(url, info.filename) for url, info in (builder.url_infos or {}).items()]
    return (
        f"could not download the tfds set {name!r}: {error}\nCheck the connection and run again. "
        f"Or fetch by other means and put into {_manual_dir(builder)}:\n"
        f"{_bulleted(f'{url} as {file}' for url, file in files if file)}"
    )


def _fetch_by_hand(builder: "DatasetBuilder", name: str, error: Exception) -> str:
    return (
        f"files of the tfds set {name!r} must be fetched by hand and put into "
        f"{_manual_dir(builder)}:\n{builder.MANUAL_DOWNLOAD_INSTRUCTIONS.strip()}\n"
        f"Missing now: {str(error).partition(' Create it and')[0]}"
    )


def _manual_dir(builder: "DatasetBuilder") -> Any:
    return builder.data_dir_root / "downloads" / "manual"


def _bulleted(lines: Iterable[str]) -> str:
    items = list(lines)
    more = [f"and {len(items) - _LISTED} more"] if len(items) > _LISTED else []
    return "\n".join(f"  {line}" for line in items[:_LISTED] + more)
