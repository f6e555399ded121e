"""Write the report of a run again: what it learned, how well, and where it is wrong.

    jaxcnn report --workdir=RUN
        writes RUN/report.html from what the run has cached; seconds, no photo is read.
    jaxcnn report --workdir=RUN --retest
        reads the photos and tests the network again first, for a run of an older version, or one
        whose photos have changed.

Every run writes its report at its end: one file, for any browser. It needs no internet connection.
"""

import time
from pathlib import Path

from absl import flags

from jaxcnn.cli import command_line, help_formatter
from jaxcnn.host.folders import in_sole_use
from jaxcnn.runs.report.facts import check_finished
from jaxcnn.runs.report.run_page import write_report

_WORKDIR = flags.DEFINE_string("workdir", None, "folder of a run.")
_RETEST = flags.DEFINE_bool("retest", False, "read the photos and test the network again first.")
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "with --retest, where the run's photos lie now, if they were moved."
)
_NAMES = help_formatter.group("report", "workdir", "retest", "data_dir")


def main() -> None:
    """Write the page of the run that the flags name."""
    started = time.perf_counter()
    if not _WORKDIR.value:
        raise ValueError("--workdir is missing: give the folder of a run.")
    if _DATA_DIR.value and not _RETEST.value:
        raise ValueError("--data_dir has no effect without --retest; leave it out.")
    folder = check_finished(Path(_WORKDIR.value))
    if _RETEST.value:
        from jaxcnn.runs import evaluate_again  # a page from what is cached needs none of it

        command_line.prepare()
        with in_sole_use(folder.path):
            run = evaluate_again.load_run(folder.path, data_dir=_DATA_DIR.value)
            run.write_page_again()
    else:
        write_report(folder.path)
    size = folder.report.stat().st_size
    seconds = time.perf_counter() - started
    print(f"{folder.report}: {size / 1e6:.1f} MB in {seconds:.1f} s")


def run() -> None:
    """Parse the flags and do as they say."""
    with command_line.running(__doc__, common=_NAMES):
        main()
