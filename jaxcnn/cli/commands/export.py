"""Write a trained network as a program that needs nothing of jaxcnn, with a model card.

    jaxcnn export --workdir=RUN
        the network of a run, or the mean of its networks, into RUN/export/.
    jaxcnn export --pretrained --model=efficientnet_lite0 --out=DIR
        published weights.
    jaxcnn export --workdir=RUN --format=stablehlo,onnx
        for ONNX's runtimes too (it tells what to install).

The folder holds the program (StableHLO by jax.export: any number of images, on CPU, GPU and TPU),
predict.py and its modules, which label photos with it, class_names.json, export.json (shapes,
checksums, versions), requirements.txt and MODEL_CARD.md.
"""

from pathlib import Path

from absl import flags

from jaxcnn.cli import command_line, help_formatter, network_flags
from jaxcnn.export import FORMATS, export_classifier
from jaxcnn.export.exporting import check_formats, check_free
from jaxcnn.runs.classifier import Classifier

_OUT = flags.DEFINE_string(
    "out",
    None,
    "folder to write; default export/ in --workdir, else exports/ and the weights' name.",
)
_FORMAT = flags.DEFINE_list(
    "format", ["stablehlo"], f"programs to write, comma-separated: {', '.join(FORMATS)}."
)
_TITLE = flags.DEFINE_string("title", None, "of the model card; default the network's name.")
_COVERAGE = flags.DEFINE_float(
    "coverage",
    None,
    'share of the validation photos that are not "none of these", above 0, at most 1; default that '
    "of the run.",
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "replace an export that is there.")
_NAMES = help_formatter.group("export", "out", "format", "title", "coverage", "overwrite")


def main(words: list[str]) -> None:
    """Export the network that the flags name."""
    if words:
        raise ValueError(f"{words[0]!r} is no flag; the run is named by --workdir.")
    check_formats(_FORMAT.value)
    if _OUT.value or network_flags.WORKDIR.value:
        check_free(_out(), overwrite=_OVERWRITE.value)
    classifier = network_flags.load_classifier(compute_dtype="float32")
    export_classifier(
        classifier,
        _out(classifier),
        formats=_FORMAT.value,
        workdir=network_flags.WORKDIR.value,
        title=_TITLE.value,
        coverage=_COVERAGE.value,
        overwrite=_OVERWRITE.value,
    )
    print(f"written to {_out(classifier)}; try: python {_out(classifier)}/predict.py photo.jpg")


def _out(classifier: Classifier | None = None) -> Path:
    if _OUT.value:
        return Path(_OUT.value)
    if workdir := network_flags.WORKDIR.value:
        return Path(workdir) / "export"
    assert classifier is not None  # published weights have their name from it
    network = classifier.config.network
    return Path("exports") / Path(network.weights or network.model).name


def run() -> None:
    """Parse the flags and do as they say."""
    with command_line.running(
        __doc__, common=(*network_flags.NAMES, *_NAMES), takes_words=True
    ) as words:
        main(words)
