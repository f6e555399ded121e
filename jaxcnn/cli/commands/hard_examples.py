"""Find the photos that a finished run finds hard, and those that are labelled wrongly.

    jaxcnn hard-examples --workdir=RUN
        ranks the run's photos; writes RUN/hard_examples.csv and a picture of the first.
    jaxcnn hard-examples --workdir=RUN --weights=efficientnet_lite0.lukemelas
        judges the labels by features of published weights: for a network that itself is wrong on
        more than one photo in ten.

Look at the first of the list, and move those that lie in the wrong folder; or let `jaxcnn clean`
show them one by one.
"""

import time
from pathlib import Path

from absl import flags

from jaxcnn.cli import command_line, help_formatter
from jaxcnn.host.outputs import Output
from jaxcnn.host.text import printable
from jaxcnn.metrics.per_example_gradients import explain_noise_scale
from jaxcnn.runs import hard_examples
from jaxcnn.runs.folder import Workdir, check_run

_WORKDIR = flags.DEFINE_string("workdir", None, "folder of a run.")
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "where the run's photos lie now, if they were moved."
)
_COUNT = flags.DEFINE_integer(
    "count", 40, "how many photos to draw.", lower_bound=1, upper_bound=400
)
_SCORE = flags.DEFINE_string(
    "score",
    "cross_validation",
    "what to rank by: cross_validation (loss of a classifier that has not seen the label), or of "
    "the run's network loss, error_norm or gradient_norm.",
)
_GRADIENTS = flags.DEFINE_string(
    "gradients",
    "auto",
    "gradients of what: network (all that the run trained), head (the last layer alone, quick), or "
    "auto: the network unless the run trained the last layer alone.",
)
_WEIGHTS = flags.DEFINE_string(
    "weights",
    None,
    "published weights whose features judge the labels: a name that `jaxcnn predict "
    "--list_weights` lists, or a file; default the run's own network.",
)
_CSV = flags.DEFINE_string(
    "csv", None, "where the table goes; RUN/hard_examples.csv if it is not given."
)
_OVERWRITE = command_line.define_overwrite()
_NAMES = help_formatter.group(
    *("ranking", "workdir", "data_dir", "score", "weights", "gradients", "count", "csv"),
    "overwrite",
)


def main() -> None:
    """Rank the photos of the run that the flags name."""
    if not _WORKDIR.value:
        raise ValueError("--workdir is missing: give the folder of a run.")
    folder = Workdir(Path(_WORKDIR.value))
    check_run(folder.path)
    command_line.prepare()
    table = _CSV.value or folder.path / "hard_examples.csv"
    started = time.perf_counter()
    with Output(table, hard_examples.TABLE, overwrite=_OVERWRITE.value) as file:
        found, split = hard_examples.find_hard_examples(
            folder.path,
            score=_SCORE.value,
            gradients=_GRADIENTS.value,
            weights=_WEIGHTS.value,
            data_dir=_DATA_DIR.value,
        )
        hard_examples.write_csv(file, found)
    picture = folder.pictures / "hard_examples.png"
    hard_examples.draw_first(picture, found, split, _COUNT.value)
    seconds = time.perf_counter() - started
    for rank, i in enumerate(found.order[:10], start=1):
        seems = found.suspected[i]
        said = f"looks like {found.class_names[seems]}" if seems >= 0 else "hard to tell"
        label = printable(found.class_names[found.labels[i]])
        print(f"{rank:>4}  {printable(found.names[i])}  labelled {label}, {printable(said)}")
    wrong = int((found.suspected >= 0).sum())
    print(f"{wrong:,} of {len(found.names):,} labels look wrong; {seconds:.0f} s in all")
    print(explain_noise_scale(found.noise, found.batch_size))
    print(f"all of them in {table}, the first {min(_COUNT.value, len(found.names))} in {picture}")


def run() -> None:
    """Parse the flags and do as they say."""
    with command_line.running(__doc__, common=_NAMES):
        main()
