"""Compare this library's speed with stock Flax's and PyTorch's on this machine, in one run.

    python -m experiments.benchmark
        training and inference of five networks and three ways to load photos: a table.
    python -m experiments.benchmark --networks=resnet50:224 --modes=train --json=speed.json
        one network, with all figures in a file; --chart=speed.png draws them.
    python -m experiments.benchmark --torch_python=OTHER/bin/python
        PyTorch from another environment.
    python -m experiments.benchmark --dtype=bfloat16
        the same in half precision, PyTorch by autocast; auto takes what is fastest here.

Each contestant compiles in a process of its own and then waits; they run in turn (A B A B), so that
what else the machine does strikes all alike. Medians over the turns, and ratios of medians. Each is
as its user gets it without any setting, save that PyTorch keeps its images channels_last.
"""

import contextlib
import logging
import signal
import subprocess
import sys
from typing import Any

from absl import flags

from experiments.benchmarks import alone, chart, contest, loading, machine, screen
from experiments.benchmarks.contest import Settings
from experiments.benchmarks.rows import (
    DTYPES,
    MODES,
    SCALING_NETWORKS,
    make_rows,
    parse_networks,
    scaling_rows,
)
from experiments.benchmarks.speeds import CONTESTANTS, speeds_of
from jaxcnn.cli import command_line, help_formatter
from jaxcnn.host.files import write_json
from jaxcnn.host.names import unknown_name
from jaxcnn.host.outputs import GENERATOR, JSON, PICTURE, Mark, Output
from jaxcnn.host.text import counted
from jaxcnn.models import list_models

logger = logging.getLogger("experiments.benchmark")  # as a program its __name__ is __main__

_NETWORKS = flags.DEFINE_string(
    "networks",
    None,
    "networks to measure, name:size_px, comma-separated; default: "
    "mobilenet_v2:224,efficientnet_lite0:224,six_conv:150,resnet18:112,resnet50:224, of which "
    "only the usual rows. Known: " + ", ".join(list_models()) + ".",
)
_MODES = flags.DEFINE_string("modes", ",".join(MODES), "what to measure of each.")
_BATCH_SIZES = flags.DEFINE_string(
    "batch_sizes", None, "images per step, comma-separated; default 32, of large networks 16."
)
_CONTESTANTS = flags.DEFINE_string("contestants", ",".join(CONTESTANTS), "who takes part.")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "turns of each contestant.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 5.0, "how long each turn runs, about.", lower_bound=0.01)
_DTYPE = flags.DEFINE_string(
    "dtype",
    "float32",
    "what the networks compute in: float32, bfloat16, or auto, as a run chooses on this machine; "
    "parameters are float32.",
)
_PIPELINES = flags.DEFINE_bool("pipelines", True, "measure the loading of photos too.")
_PHOTOS = flags.DEFINE_string(
    "photos", None, "folder of JPEG photos for that; default: drawn pictures, made for it."
)
_SCALING = flags.DEFINE_bool(
    "scaling",
    False,
    "measure instead how speed and memory go with the batch and the image, and an epoch's time "
    "with the number of images; of six_conv:64 if --networks names none.",
)
_PEAKS = flags.DEFINE_bool(
    "peaks", False, "measure the machine's own peak first, and give each contestant's share of it."
)
_TORCH_PYTHON = flags.DEFINE_string(
    "torch_python", sys.executable, "the Python whose environment has PyTorch."
)
_LIMIT_MINUTES = flags.DEFINE_float(
    "limit_minutes", 15.0, "a contestant that compiles or hangs for longer is out.", lower_bound=0.1
)
_JSON = flags.DEFINE_string("json", None, "file for all figures.")
_CHART = flags.DEFINE_string("chart", None, "PNG file for a bar chart.")
_OVERWRITE = command_line.define_overwrite()
_NAMES = (
    *("networks", "modes", "batch_sizes", "dtype", "contestants", "rounds", "seconds", "scaling"),
    *("pipelines", "photos", "peaks", "torch_python", "limit_minutes", "json", "chart"),
    "overwrite",
)
help_formatter.group("benchmark", *_NAMES)


def main() -> None:
    """Measure as the flags say, print the tables and write the files."""
    # Told to end, it ends its workers first, as at Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = Settings(
        contestants=_choices("contestants", CONTESTANTS),
        rounds=_ROUNDS.value,
        seconds=_SECONDS.value,
        dtype=_dtype(),
        reuse_memory=bool(flags.FLAGS["reuse_memory"].value),
        torch_python=_TORCH_PYTHON.value,
        limit_seconds=60 * _LIMIT_MINUTES.value,
    )
    try:
        with _output(_JSON.value, JSON) as figures, _output(_CHART.value, PICTURE) as bars:
            report = _measure(settings, figures, bars)
    except KeyboardInterrupt:
        sys.exit("stopped.")
    print(screen.report_text(report, grows=_SCALING.value))


def _dtype() -> str:
    """Give the precision; auto in another process, for one that starts a GPU takes its memory."""
    dtype = _choice("dtype", _DTYPE.value, ("auto", *DTYPES))
    if dtype != "auto":
        return dtype
    code = "from jaxcnn.ops.precision import fastest_dtype; print(fastest_dtype().dtype)"
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.split()[-1]


def _output(path: str | None, mark: Mark) -> contextlib.AbstractContextManager[Output | None]:
    return Output(path, mark, overwrite=_OVERWRITE.value) if path else contextlib.nullcontext()


def _measure(settings: Settings, figures: Output | None, bars: Output | None) -> dict[str, Any]:
    """Measure all that the flags say; the report's file is written again after each row."""
    networks = None if _NETWORKS.value is None else parse_networks(_NETWORKS.value)
    modes, batch_sizes = _choices("modes", MODES), _batch_sizes()
    grows, growing = _SCALING.value, networks or SCALING_NETWORKS
    rows = scaling_rows(growing, modes) if grows else make_rows(networks, modes, batch_sizes)
    report: dict[str, Any] = {
        "generator": GENERATOR,
        **machine.describe_origin(["python", "-m", "experiments.benchmark", *sys.argv[1:]]),
        "settings": settings._asdict(),
        "rows": [],
    }
    is_loading = _PIPELINES.value and not grows
    # Photos are looked for first, so that a folder without any is named before hours have passed.
    with loading.photos_in(_PHOTOS.value) if is_loading else contextlib.nullcontext() as photos:
        counts = contest.count(rows, settings)
        if _PEAKS.value:
            report["peaks"] = alone.measure_peaks(settings)
        for number, (row, count) in enumerate(zip(rows, counts, strict=True), start=1):
            logger.info(f"row {number}/{len(rows)}: {row.title()}")
            found = contest.compare(row, settings, num_parameters=count["num_parameters"])
            report["rows"].append({**row._asdict(), **count, "contestants": found})
            _write(report, figures)
        if photos is not None:
            logger.info("loading photos")
            report["pipelines"] = loading.measure_pipelines(photos, settings)
    if grows and "train" in modes:
        report["epochs"] = alone.measure_epochs(growing, settings)
    _write(report, figures)
    if bars is not None and any(map(speeds_of, report["rows"])):
        line = f"{report['machine']['cpu']}, {report['machine']['cores']} cores"
        devices = [name for name in report["devices"] if name != "cpu"]
        about = f"{', '.join([line, *devices])}; {settings.dtype}"
        chart.plot_speeds(bars.part, report["rows"], machine=about)
    return report


def _write(report: dict[str, Any], figures: Output | None) -> None:
    """Write the report's file again, each time whole."""
    tried = [*report["rows"], *filter(None, [report.get("pipelines")])]
    told = [entry for row in tried for entry in row["contestants"].values()]
    report["versions"] = dict(pair for each in told for pair in each.get("versions", {}).items())
    report["devices"] = list(dict.fromkeys(each["device"] for each in told if "device" in each))
    if figures is not None:
        write_json(figures.part, report)
        figures.holds = f"figures of {counted(len(report['rows']), 'row')}"


def _batch_sizes() -> tuple[int, ...] | None:
    if _BATCH_SIZES.value is None:
        return None
    batch_sizes = command_line.whole_numbers(_BATCH_SIZES.value)
    if not batch_sizes or min(batch_sizes) < 1:
        raise ValueError(f"batch_sizes is {_BATCH_SIZES.value!r}; expected numbers above 0.")
    return batch_sizes


def _choices(flag: str, known: Any) -> tuple[str, ...]:
    """Read the names that a flag lists, in the order that they are known in."""
    given = [part.strip() for part in str(flags.FLAGS[flag].value).split(",") if part.strip()]
    if not given:
        raise ValueError(f"{flag} is empty; expected some of {', '.join(known)}.")
    for name in given:
        _choice(flag, name, known)
    return tuple(name for name in known if name in given)


def _choice(flag: str, name: str, known: Any) -> str:
    if name not in known:
        raise unknown_name(flag.removesuffix("s"), name, list(known))
    return name


if __name__ == "__main__":
    with command_line.running(__doc__, common=_NAMES, answers=True):
        main()
