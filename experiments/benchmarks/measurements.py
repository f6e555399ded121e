"""What was measured: a file of JSON for each measurement, in `results/`.

A file holds raw numbers (shares, seconds, bytes), and how its table shows them:

- `title`, `room` (one of `ROOMS`), `date` (year-month-day of the measurement), `command`,
  `versions`, and `notes`: sentences that a reader must know;
- `machine`: at least `cpu`, `cores` and `load`, which says what else the machine did;
- `rows`: the values by key; a key may be missing from a row;
- `columns`: for each the `key` of its values, its `heading` and its `format`, see `pages.written`;
- `sentences`, if pages have sentences with these values, see `Sentence`: a list for each page.

A file that `experiments.benchmark --json` wrote is read as it is; a `title` may be added.
"""

import datetime
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments.benchmarks.rows import Row
from experiments.benchmarks.speeds import CONTESTANTS, TORCH, other_cores, ratios, speeds_of
from jaxcnn.host.names import unknown_name

FOLDER = Path(__file__).parent / "results"
ROOMS = (  # in the order of the page with all results: from whole runs down to single operations
    *("runs", "training", "pretrained", "models", "optim", "augment", "data", "metrics"),
    *("interpret", "photos", "export", "experiments", "ops", "host", "tests", "house"),
)
_MACHINE = ("cpu", "cores", "load")
_COLUMN = ("key", "heading", "format")
_TITLES = {
    "mobilenet_v2": "MobileNet v2",
    "efficientnet_lite0": "EfficientNet-Lite0",
    "six_conv": "six convolutions",
    "resnet18": "ResNet-18",
    "resnet50": "ResNet-50",
    "mobilenet_v3_large": "MobileNet v3 large",
    "efficientnet_b0": "EfficientNet-B0",
    "convnext_tiny": "ConvNeXt-Tiny",
}
_SPEED_COLUMNS = (
    ("network", "network", ""),
    ("mode", "step", ""),
    ("jaxcnn", "jaxcnn, images/s", ".3g"),
    ("flax", "stock Flax", ".3g"),
    ("pytorch", "PyTorch, the faster", ".3g"),
    ("torch", "PyTorch eager", ".3g"),
    ("torch_compile", "compiled", ".3g"),
    ("times_flax", "times Flax", ".2f"),
    ("times_pytorch", "times PyTorch", ".2f"),
    ("compile_seconds", "compile, s", ".1f"),
    ("flax_compile_seconds", "Flax", ".1f"),
    ("peak_bytes", "peak MiB", ",.0f MiB"),
    ("flax_peak_bytes", "Flax", ",.0f MiB"),
    ("torch_peak_bytes", "PyTorch eager", ",.0f MiB"),
)


class Column(NamedTuple):
    """One column of a table."""

    key: str
    heading: str
    format: str


class Sentence(NamedTuple):
    """A sentence of a page, whose figures come from one row."""

    text: str  # with {key:format} in place of each figure
    of: Mapping[str, Any]  # values that the row has and no other row; empty for the only one


class Measurement(NamedTuple):
    """What a file says."""

    title: str
    room: str
    date: str
    command: str
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    notes: Sequence[str]
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    sentences: Mapping[str, Sequence[Sentence]] = {}  # by the page's path from the root


def read_all(folder: Path = FOLDER) -> dict[str, Measurement]:
    """Read all measurements.

    Args:
      folder: with a file of JSON for each.

    Returns:
      Them by the names of their files, in order.

    Raises:
      ValueError: if a file is damaged, a field is missing, or there is no such room.
    """
    return {path.stem: read(path) for path in sorted(folder.glob("*.json"))}


def read(path: Path) -> Measurement:
    """Read one measurement; errors as `read_all`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if "settings" in found:
            found = from_benchmark(found)
        return _measurement(found)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"{path}: a field is of the wrong kind ({error}).") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _measurement(found: Mapping[str, Any]) -> Measurement:
    """Check the fields of a file, and make a measurement of them."""
    required = [name for name in Measurement._fields if name not in Measurement._field_defaults]
    _check("the file", found, required, exact=True)
    datetime.date.fromisoformat(found["date"])
    if found["room"] not in ROOMS:
        raise unknown_name("room", found["room"], ROOMS)
    _check("machine", found["machine"], _MACHINE)
    for column in found["columns"]:
        _check("a column", column, _COLUMN, exact=True)
    sentences = found.get("sentences", {})
    for sentence in (each for page in sentences.values() for each in page):
        _check("a sentence", sentence, Sentence._fields, exact=True)
    if isinstance(found["notes"], str):
        raise TypeError("notes is one text; expected a list of sentences.")
    keys = [column["key"] for column in found["columns"]]
    if len(set(keys)) < len(keys):
        raise ValueError(f"two columns show one key; the keys are {', '.join(keys)}.")
    if unused := {key for row in found["rows"] for key in row} - set(keys):
        raise ValueError(f"no column shows {', '.join(sorted(unused))}; add columns.")
    for text in (found["title"], *(value for row in found["rows"] for value in row.values())):
        if isinstance(text, str) and re.search(r"[|\n]|<!--", text):
            raise ValueError(f"{text!r} would break a table; take out | and line breaks.")
    return Measurement(
        **{name: found[name] for name in required if name != "columns"},
        columns=[Column(**column) for column in found["columns"]],
        sentences={
            page: [Sentence(**each) for each in of_page] for page, of_page in sentences.items()
        },
    )


def _check(part: str, found: Mapping[str, Any], names: Sequence[str], exact: bool = False) -> None:
    """Raise unless a part has the fields of these names, and no others if `exact`."""
    if missing := [name for name in names if name not in found]:
        raise ValueError(f"{part} has no {', '.join(missing)}; expected {', '.join(names)}.")
    if exact and (others := found.keys() - {*names, "sentences"}):
        raise ValueError(f"{part} has {', '.join(sorted(others))}; expected {', '.join(names)}.")


def from_benchmark(report: Mapping[str, Any]) -> dict[str, Any]:
    """Make a measurement's fields of what `experiments.benchmark --json` wrote.

    Args:
      report: as that program writes it.

    Returns:
      The fields of a measurement, one row per network and mode.
    """
    settings, machine = report["settings"], report["machine"]
    notes = [
        "Images per second: medians of the turns. The contestants take turns, each as its user "
        "gets it without any setting, but PyTorch with images channels_last.",
        f"{settings['dtype']}, {settings['rounds']} turns of about {settings['seconds']:g} s each.",
        *_loading_notes(report.get("pipelines")),
    ]
    busy = other_cores(report["rows"])
    return {
        "title": report.get("title", f"Speed on the CPU: {machine['cpu']}"),
        "room": "ops",
        "date": report["date"],
        "command": report["command"],
        "machine": {**machine, "load": f"other programs kept {busy:.1f} cores busy"},
        "versions": {"python": machine["python"], **report["versions"]},
        "notes": [*notes, *report.get("notes", [])],
        "columns": [dict(zip(_COLUMN, column, strict=True)) for column in _SPEED_COLUMNS],
        "rows": [_speed_row(row) for row in report["rows"]],
        "sentences": report.get("sentences", {}),
    }


def _speed_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give the figures of a row of the benchmark; what was not measured is left out."""
    medians = {name: found.median for name, found in speeds_of(row).items()}
    own, entries = ratios(row).get("jaxcnn", {}), row["contestants"]
    ways = [medians[name] for name in TORCH if name in medians]
    named = Row.of(row)
    figures = {
        "network": f"{_TITLES.get(named.network, named.network)}, {named.size_px} px",
        "mode": f"{'training' if named.mode == 'train' else named.mode}, batch {named.batch_size}",
        **{name: medians.get(name, math.nan) for name in CONTESTANTS},
        "pytorch": max(ways, default=math.nan),
        "times_flax": own.get("flax"),
        "times_pytorch": own.get("pytorch"),
        "compile_seconds": entries["jaxcnn"].get("compile_seconds"),
        "flax_compile_seconds": entries.get("flax", {}).get("compile_seconds"),
        "peak_bytes": entries["jaxcnn"].get("peak_bytes"),
        "flax_peak_bytes": entries.get("flax", {}).get("peak_bytes"),
        "torch_peak_bytes": entries.get("torch", {}).get("peak_bytes"),
    }
    return {key: value for key, value in figures.items() if _is_known(value)}


def _is_known(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _loading_notes(result: Mapping[str, Any] | None) -> list[str]:
    """Say how fast photos were loaded."""
    if result is None:
        return []
    speeds = [f"{name} {found.median:,.0f}" for name, found in speeds_of(result).items()]
    return [
        f"Loading {result['num_photos']} photos to {result['size_px']} px, images per second: "
        f"{', '.join(speeds)}."
    ]
