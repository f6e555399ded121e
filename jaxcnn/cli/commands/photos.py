"""Label your own photos, and search them.

    jaxcnn photos index ~/Pictures
        labels every photo in the folder and below, with ImageNet's thousand classes or, with
        --workdir=RUN, those of a trained run. Again later: what is new, changed, moved or gone;
        without a folder, of all that were indexed before.
    jaxcnn photos search "golden retriever" --since=1y
    jaxcnn photos search --like=photo.jpg
        lists the photos that show it, or look like it; both may be combined.
    jaxcnn photos search dog -poodle
        leaves out what "poodle" finds; "cat or dog" finds either; quotes join words to one name.
    jaxcnn photos search dog --html=dogs.html
        writes them as a gallery, a page of one file.
    jaxcnn photos serve
        shows the index in a browser on this machine: by words, or by a photo that is dropped.
    jaxcnn photos about
        shows what the index holds, and which files could not be read.
    jaxcnn photos forget ~/Pictures/old
        takes a folder and its photos out of the index; its files stay.

Labels lie in one file, see --index; photos are only read. A word finds all that is of its kind:
"dog" every breed, "fruit" the lemons. Search ends with status 1 where it finds nothing.
"""

import contextlib
import itertools
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from absl import flags
from tqdm import tqdm

from jaxcnn.cli import command_line, help_formatter, photo_listing as listing
from jaxcnn.data.opening import DecodeError
from jaxcnn.data.photo_files import digest, read_file, reason_of
from jaxcnn.host.names import unknown_name
from jaxcnn.host.outputs import PAGE, Output
from jaxcnn.host.signals import SignalWatch
from jaxcnn.host.text import counted
from jaxcnn.photos.dates import parse_since
from jaxcnn.photos.index_format import default_index_path
from jaxcnn.photos.index_reader import PhotoIndex
from jaxcnn.photos.ranking import DEFAULT_LIMIT, DEFAULT_MIN_PROBABILITY, Found, Query, search

_GALLERY_LIMIT = 200  # small pictures of some 2 MB

_INDEX = flags.DEFINE_string("index", None, f"file of the index; default {default_index_path()}.")
_WORKDIR = flags.DEFINE_string("workdir", None, "label with this trained run, its folder.")
_WEIGHTS = flags.DEFINE_string(
    "weights",
    None,
    "label with these published weights, a name that `jaxcnn predict "
    "--list_weights` lists, or a file; default EfficientNet-Lite0's, or what the index has.",
)
_MODEL = flags.DEFINE_string(
    "model", None, "name of the network of a --weights file that is not a published one."
)
_WEIGHTS_KEY = flags.DEFINE_string(
    "weights_key", None, "which part of the file of --weights to read; see jaxcnn predict --help."
)
_CLASS_NAMES = flags.DEFINE_string(
    "class_names", None, "file of the names of the classes of --weights, in their order."
)
_COMPUTE_DTYPE = flags.DEFINE_string(
    "compute_dtype",
    None,
    "precision of the layers: float32, bfloat16, or auto (what is fastest on this machine); "
    "default what the index has, auto for a new one. Another one needs --rebuild.",
)
_REBUILD = flags.DEFINE_bool(
    "rebuild", False, "label all photos again; the old index is replaced once that is done."
)
_OVERWRITE = flags.DEFINE_bool(
    "overwrite",
    False,
    "replace a file at --index or --html that another program wrote.",
)
_FORGET_MISSING = flags.DEFINE_bool(
    "forget_missing",
    False,
    "forget all photos that are gone, even where their drive may not be mounted.",
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 32, "photos labelled together; no effect on results.", lower_bound=1
)
_WORKERS = flags.DEFINE_integer(
    "num_workers", None, "threads that decode; default one a core.", lower_bound=1
)
_MAX_PIXELS = command_line.define_max_pixels()
_LIKE = flags.DEFINE_string("like", None, "find photos that look like this one.")
_MIN_PROBABILITY = flags.DEFINE_float(
    "min_probability",
    DEFAULT_MIN_PROBABILITY,
    "least probability that a photo shows what the words say.",
    lower_bound=0,
    upper_bound=1,
)
_SINCE = flags.DEFINE_string(
    "since", None, "photos taken since 2024-03-31, 2024-03, 2024, or 7d, 2w, 3m, 1y ago."
)
_LIMIT = flags.DEFINE_integer(
    "limit",
    None,
    f"at most this many; default {DEFAULT_LIMIT}, with --html {_GALLERY_LIMIT}.",
    lower_bound=1,
)
_JSON = flags.DEFINE_bool("json", False, "print JSON instead of a table.")
_HTML = flags.DEFINE_string(
    "html", None, "file to write the photos to as a gallery, a page of one file."
)
_PORT = flags.DEFINE_integer(
    "port",
    8500,
    "port of 127.0.0.1; 0 lets the system choose.",
    lower_bound=0,
    upper_bound=65535,
)
help_formatter.group("all commands", "index")
_RARE = ("weights_key", "class_names")  # shown by --helpfull alone
_FLAGS = {
    "index": help_formatter.group(
        "index",
        "workdir",
        "weights",
        "model",
        "weights_key",
        "class_names",
        "compute_dtype",
        "rebuild",
        "forget_missing",
        "batch_size",
        "num_workers",
        "max_pixels",
    ),
    "search": help_formatter.group(
        "search", "like", "since", "min_probability", "limit", "json", "html"
    ),
    "serve": help_formatter.group("serve", "port"),
}
help_formatter.group("index and search", "overwrite")


def main(words: list[str]) -> None:
    """Do what the first word says."""
    commands: Mapping[str, Callable[[list[str]], int | None]]
    commands = {
        "index": _index,
        "search": _search,
        "serve": _serve,
        "about": _about,
        "forget": _forget,
    }
    if not words:
        raise ValueError(f"say what to do: {', '.join(commands)} (--help tells more).")
    name, *more = words
    if name not in commands:
        raise unknown_name("command", name, commands)
    _check_flags(name)
    if _OVERWRITE.value and name != "index" and not _HTML.value:
        raise ValueError("--overwrite goes with index, or with --html.")
    if more and name in ("serve", "about"):
        raise ValueError(f"unexpected words {' '.join(more)!r} after {name}.")
    sys.exit(commands[name](more))


def _check_flags(command: str) -> None:
    for other, names in _FLAGS.items():
        for name in names:
            if other != command and flags.FLAGS[name].present:
                raise ValueError(f"--{name} is a flag of {other}, not of {command}.")


def _index_path() -> Path:
    return Path(_INDEX.value).expanduser() if _INDEX.value else default_index_path()


def _index(words: list[str]) -> int:
    from jaxcnn.photos.labelling import (  # not for searches, which are to be quick
        Labeller,
        load_labeller,
    )
    from jaxcnn.photos.updating import check_folders, update_index

    of_weights = {"weights": _WEIGHTS.value, "model": _MODEL.value}
    of_weights |= {"weights_key": _WEIGHTS_KEY.value, "class_names": _CLASS_NAMES.value}
    if _WORKDIR.value and any(of_weights.values()):
        both = next(name for name, value in of_weights.items() if value)
        raise ValueError(f"--workdir and --{both} exclude each other; give one.")
    replacing = {"rebuild": _REBUILD.value, "overwrite": _OVERWRITE.value}
    folders = check_folders(_index_path(), words, **replacing)
    command_line.prepare()
    named = {"workdir": _WORKDIR.value, **of_weights, "compute_dtype": _COMPUTE_DTYPE.value}
    given = {name: value for name, value in named.items() if value}

    def load(held: Mapping[str, str]) -> Labeller:
        labeller = load_labeller(given, held=held, batch_size=_BATCH_SIZE.value)
        if _MAX_PIXELS.value:
            labeller.classifier.limit_pixels(_MAX_PIXELS.value)
        return labeller

    bar = tqdm(unit="photo", desc="index", disable=None, smoothing=0.1)
    started = time.perf_counter()
    with SignalWatch() as watch, bar:
        report = update_index(
            _index_path(),
            folders,
            load,
            **replacing,
            num_workers=_WORKERS.value,
            forget_missing=_FORGET_MISSING.value,
            on_photo=bar.update,
            on_total=lambda total: _set_total(bar, total),
            should_stop=lambda: watch.received is not None,
        )
    seconds = time.perf_counter() - started
    print("\n".join(listing.report_lines(report, _index_path(), seconds=seconds)))
    return 128 + watch.received if watch.received is not None else 0


def _set_total(bar: tqdm, total: int) -> None:
    bar.total = total
    bar.refresh()


def _search(words: list[str]) -> int:
    text = " ".join(words)
    if not text.strip() and not _LIKE.value:
        raise ValueError("say what to look for: words, or --like=photo.jpg.")
    if not text.strip() and flags.FLAGS["min_probability"].present:
        raise ValueError("--min_probability is about words; give some beside --like.")
    if _HTML.value:
        _check_gallery()
    since = None if _SINCE.value is None else parse_since(_SINCE.value)
    index = PhotoIndex(_index_path())
    with contextlib.ExitStack() as stack:
        output = None
        if _HTML.value:  # before the work
            output = stack.enter_context(Output(_HTML.value, PAGE, overwrite=_OVERWRITE.value))
        query = Query(
            words=text,
            like=None if _LIKE.value is None else _vector_of(Path(_LIKE.value), index),
            min_probability=_MIN_PROBABILITY.value,
            since=since,
            limit=_LIMIT.value or (_GALLERY_LIMIT if output else DEFAULT_LIMIT),
        )
        found = search(index, query)
        if output:
            from jaxcnn.photos.server.gallery import write_gallery

            like = Path(_LIKE.value or "").name
            count = write_gallery(output, index, query, found, like=like)
    if output:
        print(f"{count} of {found.total:,} photos written to {_HTML.value}")
    else:
        _show(found, query)
    return 0 if found.hits else 1


def _check_gallery() -> None:
    from jaxcnn.photos.server.gallery import MAX_PHOTOS

    if _JSON.value:
        raise ValueError("--html and --json exclude each other; give one.")
    if (_LIMIT.value or 0) > MAX_PHOTOS:
        raise ValueError(
            f"--limit={_LIMIT.value} is above {MAX_PHOTOS}, the most that one page shows."
        )


def _show(found: Found, query: Query) -> None:
    if _JSON.value:
        print(json.dumps([listing.as_record(hit) for hit in found.hits], indent=2))
        return
    for line in listing.table_lines(found):
        print(line)
    for line in listing.notes(found, query):
        print(line, file=sys.stderr)


def _vector_of(path: Path, index: PhotoIndex) -> np.ndarray:
    """Give a photo's features: from the index where it holds the photo, else by the network."""
    try:
        data, _ = read_file(path.expanduser())
    except OSError as error:
        raise ValueError(f"like (={path}) cannot be read: {reason_of(error)}.") from error
    known = index.find_vector(digest(data))
    if known is not None:
        return known
    from jaxcnn.photos.labelling import load_labeller_of

    command_line.prepare()
    labeller = load_labeller_of(index, batch_size=1)
    try:
        pixels = labeller.preprocess(data)
    except DecodeError as error:
        raise ValueError(f"like (={path}) cannot be read: {error}") from error
    return labeller.label(pixels[None])[1][0]


def _serve(_: list[str]) -> None:
    from jaxcnn.cli.photo_page import serve

    serve(_index_path(), _PORT.value)


def _about(_: list[str]) -> None:
    print("\n".join(listing.about_lines(PhotoIndex(_index_path()))))


def _forget(words: list[str]) -> None:
    from jaxcnn.photos.updating import forget_folder

    if not words:
        raise ValueError("name the folders to take out of the index; `about` lists them.")
    for word in words:
        count = forget_folder(_index_path(), word)
        print(f"{word}: taken out of the index, with {counted(count, 'photo')}")


def run() -> None:
    """Parse the flags and do as they say."""
    flags.FLAGS.set_gnu_getopt(True)  # flags may follow the words
    if "search" in sys.argv[1:]:
        sys.argv[1:] = [word for argument in sys.argv[1:] for word in _words_of(argument)]
    known = itertools.chain(*_FLAGS.values())
    common = ("index", *(name for name in known if name not in _RARE), "overwrite")
    with command_line.running(__doc__, common=common, takes_words=True, answers=True) as words:
        main(words)


def _words_of(argument: str) -> list[str]:
    """Write "-poodle" as `not "poodle"`, unless it names a flag."""
    name = argument[1:]
    if argument[:1] != "-" or name[:1] in ("", "-") or "=" in name or name in flags.FLAGS:
        return [argument]
    return [argument] if name in ("h", "help", "helpfull") else ["not", f'"{name}"']
