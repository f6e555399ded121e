"""Compare ways to load photos: decode, scale the shorter side, cut the centre, make batches."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from experiments.benchmarks import contest
from experiments.benchmarks.contest import Say, Settings
from experiments.benchmarks.photos import draw_photos, find_photos
from experiments.benchmarks.results import TORCH, speed
from experiments.benchmarks.serving import usable_cores
from experiments.benchmarks.table import align, number, times
from experiments.benchmarks.workers import Worker

PIPELINES = {
    "jaxcnn": "jaxcnn",
    "pillow": "Pillow in threads",
    "torchvision": "torchvision, DataLoader",
    "tf_data": "tf.data",
}
_SIZE_PX, _BATCH_SIZE = 224, 32


class Photos(NamedTuple):
    """Files to load."""

    folder: str
    names: Sequence[str]


@contextlib.contextmanager
def provide_photos(folder: str | None, say: Say) -> Iterator[Photos]:
    """List the photos of a folder, or draw some into one that is removed at the end.

    Args:
      folder: None to draw.
      say: takes a line of progress.

    Raises:
      ValueError: if the folder holds no photo.
    """
    if folder is not None:
        yield Photos(folder, find_photos(folder))
        return
    with tempfile.TemporaryDirectory() as made:
        say("drawing pictures to load")
        yield Photos(made, draw_photos(made))


def measure_pipelines(photos: Photos, settings: Settings, *, say: Say) -> dict[str, Any]:
    """Let the ways to load photos run in turn.

    Args:
      photos: what to load.
      settings: of the whole benchmark.
      say: takes lines of progress.

    Returns:
      As a row: "contestants" and what they loaded.
    """
    batch_size = min(_BATCH_SIZE, len(photos.names))
    spec = {
        "folder": photos.folder,
        "names": list(photos.names),
        "size_px": _SIZE_PX,
        "batch_size": batch_size,
    }

    def launch(name: str) -> Worker:
        torch = name == "torchvision"
        module = "torch_pipeline_worker" if torch else "pipeline_worker"
        return contest.start_worker(module, {**spec, "contestant": name}, settings, torch=torch)

    with_torch = any(name in TORCH for name in settings.contestants)
    names = [name for name in PIPELINES if with_torch or name != "torchvision"]
    found = contest.run_row(
        names, launch, rounds=settings.rounds, seconds=settings.seconds, say=say
    )
    return {
        "num_photos": len(photos.names),
        "size_px": _SIZE_PX,
        "batch_size": batch_size,
        "cores": usable_cores(),
        "contestants": found,
    }


def pipeline_table(result: Mapping[str, Any]) -> str:
    """Write the comparison of the ways to load photos.

    Args:
      result: as `measure_pipelines` returns.

    Returns:
      Lines for the screen.
    """
    title = (
        f"loading {result['num_photos']} photos to {result['size_px']} px, "
        f"batches of {result['batch_size']}"
    )
    entries = result["contestants"]
    speeds = {name: speed(entry["turns"]) for name, entry in entries.items()}
    own = speeds.get("jaxcnn")
    cells = [[title, "images/s", "least..most", "per core", "x jaxcnn"]]
    notes = []
    for name, entry in entries.items():
        found = speeds[name]
        if found is None or entry.get("reason"):
            notes.append(f"  {PIPELINES[name]}: {entry.get('reason', 'no turn')}")
            continue
        ratio = found.median / own.median if own else float("nan")
        spread = f"{number(found.low)}..{number(found.high)}"
        a_core = number(found.median / result["cores"])
        cells.append([f"  {PIPELINES[name]}", number(found.median), spread, a_core, times(ratio)])
    return "\n".join([*align(cells), *notes])
