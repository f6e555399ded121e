"""Label photos with a trained network.

    jaxcnn predict --workdir=RUN photo.jpg folder/ ...
        with the classes of a run.
    jaxcnn predict --model=efficientnet_lite0 --pretrained photo.jpg
        with ImageNet's thousand classes, by published weights.
    jaxcnn predict --list_weights
        lists the published weights.

Folders are searched for photos, sub-folders included. Answers are printed, and written to --csv and
--json, batch by batch; a file is called FILE.part until it is complete. The columns of the CSV are
path, label, probability, probability:CLASS for each class, and error; of a network that gives
several labels also labels; of other runs also known (yes, or no for "none of these") and score,
with --conformal also set (a JSON list of classes). Photos that cannot be read are reported and do
not stop the others; then the exit status is 1.
"""

import contextlib
import itertools
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from absl import flags
from tqdm import tqdm

from jaxcnn import pretrained
from jaxcnn.cli import command_line, help_formatter, network_flags
from jaxcnn.cli.answers import RECORDS, TABLE, Answer, Columns, Form, lines_of
from jaxcnn.data.decode import DecodeError
from jaxcnn.data.photo_files import PhotoFile, Trouble, count_named, find_named, reason_of
from jaxcnn.host.outputs import Output
from jaxcnn.host.signals import SignalWatch
from jaxcnn.host.text import counted, printable
from jaxcnn.pretrained.table import format_table
from jaxcnn.runs.classifier import Classifier

_LIST_WEIGHTS = flags.DEFINE_bool("list_weights", False, "list the published weights and stop.")
_TOP = flags.DEFINE_integer("top", 5, "how many classes to name for each photo.", lower_bound=1)
_CSV = flags.DEFINE_string("csv", None, "file to write the answers to, as comma-separated values.")
_JSON = flags.DEFINE_string("json", None, "file to write the answers to, as JSON.")
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 32, "photos classified together; no effect on results.", lower_bound=1
)
_COVERAGE = flags.DEFINE_float(
    "coverage",
    None,
    "a photo is none of the classes if it looks less like the training photos than this share of "
    "the validation photos do; above 0, at most 1; default that of the run.",
)
_CONFORMAL = flags.DEFINE_float(
    "conformal",
    None,
    "name for each photo the set of classes that holds the right one with at least this "
    "probability, e.g. 0.9.",
)
_MAX_PIXELS = command_line.define_max_pixels()
_OVERWRITE = command_line.define_overwrite()
_NAMES = help_formatter.group(
    "answers",
    *("top", "coverage", "conformal", "csv", "json", "overwrite", "batch_size", "max_pixels"),
    "list_weights",
)


def main(words: list[str]) -> None:
    """Label the files and folders named on the command line."""
    if _LIST_WEIGHTS.value:
        _list_weights()
        return
    if not words:
        raise ValueError("no photo to label: name files or folders after the flags.")
    count = count_named(words, [_CSV.value, _JSON.value])
    with contextlib.ExitStack() as stack:
        files = [
            (stack.enter_context(Output(path, form.mark, overwrite=_OVERWRITE.value)), form)
            for path, form in ((_CSV.value, TABLE), (_JSON.value, RECORDS))
            if path
        ]
        classifier = network_flags.load_classifier()
        classifier.check_shares(**_shares())
        if _MAX_PIXELS.value:
            classifier.limit_pixels(_MAX_PIXELS.value)
        bad = _label_all(classifier, words, count, files)
    for file, _ in files:
        print(f"{file.holds} written to {file.name}", file=sys.stderr)
    sys.exit(1 if bad else 0)


def _shares() -> dict[str, float | None]:
    return {"coverage": _COVERAGE.value, "conformal": _CONFORMAL.value}


def _list_weights() -> None:
    model = network_flags.MODEL.value
    if model is not None:
        pretrained.default_weights(model)  # refuses a network without any
    print(format_table(pretrained.list_weights(model)))


def _label_all(
    classifier: Classifier, words: list[str], count: int, files: list[tuple[Output, Form]]
) -> int:
    """Label, print and write batch by batch; return how many files could not be read."""
    known_photos, has_sets = classifier.known_photos, _CONFORMAL.value is not None
    batch_size, several = min(_BATCH_SIZE.value, count), classifier.thresholds is not None
    columns = Columns(
        classifier.class_names, several, known_photos is not None, has_sets, _TOP.value
    )
    found, done, bad, width, started = find_named(words), 0, 0, 0, time.perf_counter()
    for file, form in files:
        file.write(form.head(columns))
    bar = tqdm(total=count, unit="photo", disable=None if count > batch_size else True)
    with SignalWatch() as watch, bar:
        while batch := list(itertools.islice(found, batch_size)):
            answers = label(classifier, batch, batch_size=batch_size, **_shares())
            for file, form in files:
                start = form.between if done else ""
                file.write(start + form.between.join(form.write(each, columns) for each in answers))
                file.flush()
                file.holds = f"answers of {counted(done + len(answers), 'photo')}"
            width = max(width, *(len(printable(each.path)) for each in answers))
            for each in answers:
                is_bad = each.prediction is None
                shown_width = 0 if is_bad else width
                for line in lines_of(each, top=_TOP.value, width=shown_width, several=several):
                    bar.write(line, file=sys.stderr if is_bad else sys.stdout)
                bad += is_bad
            done += len(answers)
            bar.update(len(answers))
            if watch.received is not None and done < count:
                print(f"stopped after {done:,} of {counted(count, 'photo')}", file=sys.stderr)
                sys.exit(128 + watch.received)
    for file, form in files:
        file.write(form.end)
    if bad:
        print(f"{bad:,} of {counted(done, 'file')} could not be read", file=sys.stderr)
    if done > batch_size:
        seconds = time.perf_counter() - started
        print(
            f"{done:,} photos in {seconds:.0f} s, {done / seconds:.1f} per second", file=sys.stderr
        )
    return bad


def label(
    classifier: Classifier,
    batch: Sequence[PhotoFile | Trouble],
    *,
    batch_size: int,
    coverage: float | None = None,
    conformal: float | None = None,
) -> list[Answer]:
    """Label files, passing over what cannot be read.

    Args:
      classifier: a trained network.
      batch: files; at most `batch_size`.
      batch_size: photos that the network is given at once.
      coverage: see `Classifier.predict`.
      conformal: likewise.

    Returns:
      An answer for each file, in order.
    """
    images: dict[int, Any] = {}
    errors: dict[int, str] = {}
    for i, file in enumerate(batch):
        try:
            if isinstance(file, Trouble):
                errors[i] = file.reason
            else:
                images[i] = classifier.preprocess(os.fsdecode(file.path))
        except DecodeError as error:
            errors[i] = str(error)
        except OSError as error:
            errors[i] = reason_of(error)
        except MemoryError:
            errors[i] = "not enough memory to decode it"
    answers = classifier.answer_images(
        list(images.values()), batch_size=batch_size, coverage=coverage, conformal=conformal
    )
    found = dict(zip(images, answers, strict=True))
    return [
        Answer(os.fsdecode(file.path), found.get(i), errors.get(i, ""))
        for i, file in enumerate(batch)
    ]


def run() -> None:
    """Parse the flags and do as they say."""
    common = (*network_flags.NAMES, *_NAMES)
    with command_line.running(__doc__, common=common, takes_words=True, answers=True) as words:
        main(words)
