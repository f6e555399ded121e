"""Look through what a finished run suspects of its photos, and decide about each, in a browser.

    jaxcnn clean --workdir=RUN
        judges the photos of all splits, and serves a page on this machine: suspected wrong labels
        first, then duplicates, near-duplicates, unreadable files and odd photos. Keep, relabel or
        exclude each.
    jaxcnn clean --workdir=RUN --weights=efficientnet_lite0.lukemelas
        judges the labels by features of published weights: for a network that itself is wrong on
        more than one photo in ten.
    jaxcnn train --decisions=RUN/decisions.csv ...
        trains again with what was decided.

Each decision is written to RUN/decisions.csv at once; photos are never changed.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from jaxcnn.cli import command_line, help_formatter
from jaxcnn.cli.local_page import serve_page
from jaxcnn.host.extras import require
from jaxcnn.host.text import counted
from jaxcnn.runs.folder import Workdir, check_run

if TYPE_CHECKING:
    from flask import Flask

_WORKDIR = flags.DEFINE_string("workdir", None, "folder of a run.")
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "where the run's photos lie now, if they were moved."
)
_WEIGHTS = flags.DEFINE_string(
    "weights",
    None,
    "published weights whose features judge the labels: a name that `jaxcnn predict "
    "--list_weights` lists, or a file; default the run's own network.",
)
_PORT = flags.DEFINE_integer(
    "port",
    8501,
    "port of 127.0.0.1; 0 lets the system choose.",
    lower_bound=0,
    upper_bound=65535,
)
_NAMES = help_formatter.group("cleaning", "workdir", "data_dir", "weights", "port")


def main() -> None:
    """Serve the page of the run that the flags name."""
    if not _WORKDIR.value:
        raise ValueError("--workdir is missing: give the folder of a run.")
    folder = Workdir(Path(_WORKDIR.value))
    check_run(folder.path)
    require("the page of findings", "flask", "waitress", extra="serve")
    command_line.prepare()
    found: list[str] = []
    serve_page(
        lambda: _make_app(folder, found),
        _PORT.value,
        slow="looking through the photos ...",
        told=lambda: found[0],
    )


def _make_app(folder: Workdir, found: list[str]) -> "Flask":
    """Judge the photos, and make the page about them."""
    from jaxcnn.data.decisions.decision_log import DecisionLog
    from jaxcnn.photos.cleaning.app import create_cleaning_app
    from jaxcnn.photos.cleaning.review import Review
    from jaxcnn.photos.server.overlay import make_explain
    from jaxcnn.runs.classifier import Classifier
    from jaxcnn.runs.findings import find_findings

    findings = find_findings(folder.path, weights=_WEIGHTS.value, data_dir=_DATA_DIR.value)
    log = DecisionLog(folder.decisions, begin_with=findings.decided.values())
    all_photos = counted(findings.num_photos, "photo")
    found.append(f"{len(findings.items):,} of {all_photos} to look through")
    explain = make_explain(Classifier.load(folder.path))
    return create_cleaning_app(Review(findings, log), explain)


def run() -> None:
    """Parse the flags and do as they say."""
    with command_line.running(__doc__, common=_NAMES):
        main()
