"""Label photos with a trained network.

    jaxcnn predict --workdir=RUN photo.jpg folder/ ...
        with the classes of a run.
    jaxcnn predict --model=efficientnet_lite0 --pretrained photo.jpg
        with ImageNet's thousand classes, by published weights.
    jaxcnn predict --list_weights
        lists the published weights.

Folders are searched for photos, sub-folders included. Photos that cannot be read are listed and do
not stop the others; then the exit status is 1.
"""

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from absl import flags
from tqdm import tqdm

from jaxcnn import pretrained
from jaxcnn.cli import command_line, help_formatter, network_flags
from jaxcnn.data.decode import DecodeError
from jaxcnn.data.photo_files import IMAGE_SUFFIXES
from jaxcnn.runs.classifier import Classifier, Prediction

_LIST_WEIGHTS = flags.DEFINE_bool("list_weights", False, "list the published weights and stop.")
_TOP = flags.DEFINE_integer("top", 5, "how many classes to name for each photo.", lower_bound=1)
_CSV = flags.DEFINE_string("csv", None, "file to write the answers to, as comma-separated values.")
_JSON = flags.DEFINE_string("json", None, "file to write the answers to, as JSON.")
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 32, "photos classified together; no effect on results.", lower_bound=1
)
help_formatter.group("answers", "top", "csv", "json", "batch_size", "list_weights")


class Answer(NamedTuple):
    """What became of one file."""

    path: str
    prediction: Prediction | None
    error: str  # "" where there is a prediction


def main(words: list[str]) -> None:
    """Label the files and folders named on the command line."""
    if _LIST_WEIGHTS.value:
        _list_weights()
        return
    if not words:
        raise ValueError("no photo to label: name files or folders after the flags.")
    paths = list(find_photos(words))
    for output in filter(None, (_CSV.value, _JSON.value)):
        command_line.check_folder_of(output)
    classifier = network_flags.load_classifier()
    batch_size = min(_BATCH_SIZE.value, len(paths))
    answers = list(label(classifier, paths, batch_size=batch_size))
    show(answers, top=_TOP.value)
    if _CSV.value:
        write_csv(Path(_CSV.value), answers, classifier.class_names)
    if _JSON.value:
        Path(_JSON.value).write_text(json.dumps([_record(a) for a in answers], indent=2) + "\n")
    sys.exit(1 if any(answer.error for answer in answers) else 0)


def _list_weights() -> None:
    model = network_flags.MODEL.value
    if model is not None:
        pretrained.default_weights(model)  # refuses a network without any
    print(pretrained.format_table(pretrained.list_weights(model)))


def find_photos(words: Sequence[str]) -> Iterator[Path]:
    """Find the photos that words of the command line name.

    Args:
      words: paths of files, taken as they are, or of folders, searched through.

    Yields:
      Paths, in the order given, within a folder by name.

    Raises:
      ValueError: if a path does not exist or a folder holds no photo.
    """
    for word in words:
        path = Path(word)
        if path.is_dir():
            inside = [p for p in sorted(path.rglob("*")) if p.suffix.lower() in IMAGE_SUFFIXES]
            if not inside:
                raise ValueError(f"{word} holds no photo ({', '.join(sorted(IMAGE_SUFFIXES))}).")
            yield from inside
        elif path.exists():
            yield path
        else:
            raise ValueError(f"{word} does not exist.")


def label(classifier: Classifier, paths: Sequence[Path], *, batch_size: int) -> Iterator[Answer]:
    """Label files a batch at a time, passing over what cannot be read.

    Args:
      classifier: a trained network.
      paths: files.
      batch_size: photos classified together.

    Yields:
      An answer for each path, in order.
    """
    with tqdm(total=len(paths), unit="photo", disable=len(paths) <= batch_size) as bar:
        for start in range(0, len(paths), batch_size):
            images, errors = {}, {}
            part = paths[start : start + batch_size]
            for path in part:
                try:
                    images[path] = classifier.preprocess(path)
                except (DecodeError, OSError) as error:
                    errors[path] = str(error)
            found = classifier.predict(images.values(), batch_size=batch_size)
            predictions = dict(zip(images, found, strict=True))
            for path in part:
                yield Answer(str(path), predictions.get(path), errors.get(path, ""))
            bar.update(len(part))


def show(answers: Sequence[Answer], *, top: int = 5) -> None:
    """Print the answers, the most probable classes of each, and below what could not be read."""
    good = [answer for answer in answers if answer.prediction is not None]
    width = max((len(answer.path) for answer in good), default=0)
    for path, prediction, _ in good:
        assert prediction is not None
        if len(prediction.probabilities) == 2:  # the second one's probability is the rest
            print(f"{path:<{width}}  {prediction.label}  {prediction.probability:.1%}")
            continue
        for number, (name, probability) in enumerate(prediction.top(top)):
            print(f"{'' if number else path:<{width}}  {probability:6.1%}  {name}")
    bad = [answer for answer in answers if answer.error]
    if bad:
        print(f"{len(bad)} of {len(answers)} files could not be read:", file=sys.stderr)
        for answer in bad:
            print(f"  {answer.path}: {answer.error}", file=sys.stderr)


def write_csv(path: Path, answers: Sequence[Answer], class_names: Sequence[str]) -> None:
    """Write a row a file: path, label, probability, the probability of each class, error."""
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "label", "probability", *class_names, "error"])
        for answer in answers:
            writer.writerow(_row(answer, class_names))


def _row(answer: Answer, class_names: Sequence[str]) -> list[Any]:
    found = answer.prediction
    if found is None:
        return [answer.path, "", "", *[""] * len(class_names), answer.error]
    each = [found.probabilities[name] for name in class_names]
    return [answer.path, found.label, found.probability, *each, ""]


def _record(answer: Answer) -> dict[str, Any]:
    found = answer.prediction
    if found is None:
        return {"path": answer.path, "error": answer.error}
    return {
        "path": answer.path,
        "label": found.label,
        "probability": found.probability,
        "top": [{"label": n, "probability": p} for n, p in found.top(_TOP.value)],
        "probabilities": found.probabilities,
    }


def run() -> None:
    """Parse the flags and do as they say."""
    common = (*network_flags.NAMES, "top", "csv", "json", "list_weights")
    with command_line.running(__doc__, common=common, takes_words=True, answers=True) as words:
        main(words)
