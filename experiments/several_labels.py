"""Several labels per photo, measured: mosaics of real photos, and what other tools make of them.

    python -m experiments.several_labels --photos=PHOTOS --out=runs/several_labels

PHOTOS holds train/, validation/ and test/ with one sub-folder per class. Each mosaic has 2 x 2
places, one to four of them with a photo of a random class; its labels are the classes it shows, and
no photo is in two splits. Trains the last layer of EfficientNet-Lite0 on the mosaics, and compares
its answers with one-vs-rest logistic regression of scikit-learn on the same features, both measured
by scikit-learn. The result is OUT/several_labels.json.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags
from PIL import Image

from jaxcnn.cli import command_line
from jaxcnn.metrics.multi_label import choose_thresholds
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.config import make_config
from jaxcnn.runs.folder import Workdir
from jaxcnn.runs.train_and_evaluate import load_data, train_classifier

_PHOTOS = flags.DEFINE_string("photos", None, "folder of photos: splits, and classes in them.")
_OUT = flags.DEFINE_string("out", "runs/several_labels", "folder for the mosaics and the run.")

COUNTS = {"train": 3000, "validation": 600, "test": 1000}
_PLACE_PX = 112  # side of each of the four places
_GREY = 128


def write_mosaics(photos: Path, out: Path, counts: Mapping[str, int] = COUNTS) -> Path:
    """Write mosaics and a table of their labels.

    Args:
      photos: folder with train/, validation/ and test/ above one sub-folder per class.
      out: where the mosaics go, one folder per split.
      counts: mosaics of each split.

    Returns:
      The table, with the columns image, labels (";" between them) and split.
    """
    rows = []
    for number, (split, count) in enumerate(counts.items()):
        (out / split).mkdir(parents=True, exist_ok=True)
        files = {each.name: sorted(each.iterdir()) for each in sorted((photos / split).iterdir())}
        draws = np.random.default_rng(number)
        for i in range(count):
            image, labels = _mosaic(files, draws)
            name = f"{split}/{i:05d}.jpg"
            image.save(out / name, quality=92)
            rows.append((name, ";".join(labels), split))
    table = out / "labels.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("image", "labels", "split"), *rows])
    return table


def _mosaic(
    files: Mapping[str, Sequence[Path]], draws: np.random.Generator
) -> tuple[Image.Image, list[str]]:
    side = 2 * _PLACE_PX
    image, labels = Image.new("RGB", (side, side), (_GREY,) * 3), set()
    places = draws.permutation(4)[: draws.integers(1, 5)]
    for place in places.tolist():
        name = str(draws.choice(list(files)))
        with Image.open(files[name][int(draws.integers(len(files[name])))]) as photo:
            cell = photo.convert("RGB").resize((_PLACE_PX, _PLACE_PX), Image.Resampling.BICUBIC)
        image.paste(cell, (place % 2 * _PLACE_PX, place // 2 * _PLACE_PX))
        labels.add(name)
    return image, sorted(labels)


def train(table: Path, workdir: Path) -> dict[str, Any]:
    """Train the last layer of EfficientNet-Lite0 on the mosaics; go on with a run that is there."""
    config = make_config(
        **{"labels": str(table), "label_column": "labels", "label_separator": ";"},
        pretrained=True,
    )
    return train_classifier(config, workdir, resume=Workdir(workdir).is_ours)


def compare(workdir: Path) -> list[dict[str, Any]]:
    """Measure the run, and logistic regression on the same features, by scikit-learn.

    Args:
      workdir: the run's folder.

    Returns:
      A row each: mean average precision, macro and micro F1 at thresholds chosen on validation, and
      the share of sets that are exactly right.
    """
    classifier = Classifier.load(workdir)
    data = load_data(classifier.config)
    found = {
        name: _answers(classifier, getattr(data, name).images) for name in ("validation", "test")
    }
    labels = {name: getattr(data, name).labels for name in ("train", "validation", "test")}
    with np.load(Workdir(workdir).features / "train.npz") as kept:
        features = kept["features"].mean(axis=1)  # of a mosaic and its mirror image
    rows = [{"what": "jaxcnn", **_measured(found["validation"][0], found["test"][0], labels)}]
    others = (found["validation"][1], found["test"][1])
    validation, test = _logistic_regression(features, labels["train"], others)
    rows.append({"what": "logistic regression", **_measured(validation, test, labels)})
    return rows


def _answers(
    classifier: Classifier, images: np.ndarray, batch_size: int = 50
) -> tuple[np.ndarray, np.ndarray]:
    """Give probabilities and features; the numbers of mosaics are multiples of the batch."""
    starts = range(0, len(images), batch_size)
    each = [classifier.probabilities_and_features(images[i : i + batch_size]) for i in starts]
    probabilities, features = (np.concatenate(part) for part in zip(*each, strict=True))
    return probabilities, features


def _logistic_regression(
    features: np.ndarray, labels: np.ndarray, others: Sequence[np.ndarray]
) -> list[np.ndarray]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    regression = LogisticRegression(C=0.01, max_iter=1000)  # not tuned
    fitted = make_pipeline(StandardScaler(), OneVsRestClassifier(regression)).fit(features, labels)
    return [fitted.predict_proba(each) for each in others]


def _measured(
    validation: np.ndarray, test: np.ndarray, labels: Mapping[str, np.ndarray]
) -> dict[str, float]:
    from sklearn.metrics import accuracy_score, average_precision_score, f1_score

    thresholds = choose_thresholds(labels["validation"], validation)
    truth, sets = labels["test"], test >= thresholds
    return {
        "mean_average_precision": float(average_precision_score(truth, test, average="macro")),
        "macro_f1": float(f1_score(truth, sets, average="macro")),
        "micro_f1": float(f1_score(truth, sets, average="micro")),
        "subset_accuracy": float(accuracy_score(truth, sets)),
    }


def main() -> None:
    """Write the mosaics, train, compare, and write the figures down."""
    if not _PHOTOS.value:
        raise ValueError("--photos is missing; give the folder that holds train/ and the others.")
    out = Path(_OUT.value)
    table = out / "mosaics" / "labels.csv"
    if not table.exists():
        write_mosaics(Path(_PHOTOS.value), table.parent)
    summary = train(table, out / "run")
    rows = compare(out / "run")
    names = ("mean_average_precision", "macro_f1", "micro_f1", "subset_accuracy")
    rows.insert(1, {"what": "summary", **{name: summary[f"test_{name}"] for name in names}})
    (out / "several_labels.json").write_text(json.dumps(rows, indent=1))
    for row in rows:
        print(row)


if __name__ == "__main__":
    with command_line.running(__doc__, common=("photos", "out")):
        main()
