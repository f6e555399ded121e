"""Write a trained network as a program that needs nothing of jaxcnn, with a model card.

    python -m experiments.export --workdir=RUN
        the network of a run, or the mean of its networks, into RUN/export/.
    python -m experiments.export --pretrained --model=efficientnet_lite0 --out=DIR
        published weights.
    python -m experiments.export --workdir=RUN --format=stablehlo,onnx
        for ONNX's runtimes too (it tells what to install).

The folder holds the program (StableHLO by jax.export: any number of images, on CPU, GPU and TPU),
predict.py, which labels photos with it, class_names.json, export.json (shapes, checksums,
versions), requirements.txt and MODEL_CARD.md.
"""

import sys
from pathlib import Path

from absl import flags

from experiments import command_line
from jaxcnn import export
from jaxcnn.classifier import Classifier

_WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "folder of a run, or its checkpoints/best alone, of which no results are known.",
)
_OUT = flags.DEFINE_string(
    "out",
    None,
    "folder to write; default export/ in --workdir, else exports/ and the weights' name.",
)
_MODEL = flags.DEFINE_string(
    "model",
    None,
    "with --pretrained or --weights: name of the network; default efficientnet_lite0.",
)
_PRETRAINED = flags.DEFINE_bool(
    "pretrained", False, "use the network's published weights, with the classes they know."
)
_WEIGHTS = flags.DEFINE_string(
    "weights", None, "published weights by name, or the path of a file; implies --pretrained."
)
_FORMAT = flags.DEFINE_list(
    "format", ["stablehlo"], f"programs to write, comma-separated: {', '.join(export.FORMATS)}."
)
_TITLE = flags.DEFINE_string("title", None, "of the model card; default the network's name.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "replace an export that is there.")


def main(words: list[str]) -> None:
    """Export the network that the flags name."""
    try:
        if len(words) > 1:
            raise ValueError(f"{words[1]!r} is no flag; the run is named by --workdir.")
        export.check_formats(_FORMAT.value)
        if _OUT.value or _WORKDIR.value:
            export.check_free(_out(), overwrite=_OVERWRITE.value)
        about_process = command_line.prepare()
        classifier = _load_classifier()
        for line in about_process:
            print(line, file=sys.stderr)
        export.export_classifier(
            classifier,
            _out(classifier),
            formats=_FORMAT.value,
            workdir=_WORKDIR.value,
            title=_TITLE.value,
            overwrite=_OVERWRITE.value,
        )
    except (ValueError, OSError) as mistake:
        command_line.refuse(mistake)
    print(f"written to {_out(classifier)}; try: python {_out(classifier)}/predict.py photo.jpg")


def _out(classifier: Classifier | None = None) -> Path:
    if _OUT.value:
        return Path(_OUT.value)
    if _WORKDIR.value:
        return Path(_WORKDIR.value) / "export"
    assert classifier is not None  # published weights have their name from it
    return Path("exports") / Path(classifier.config.weights or classifier.config.model).name


def _load_classifier() -> Classifier:
    asks_for_weights = _PRETRAINED.value or _WEIGHTS.value is not None
    if _WORKDIR.value and asks_for_weights:
        raise ValueError("--workdir and published weights exclude each other; give one.")
    if asks_for_weights:
        return Classifier.from_pretrained(_WEIGHTS.value, model=_MODEL.value)
    if _WORKDIR.value and _MODEL.value:
        raise ValueError("--model goes with --pretrained or --weights; a run knows its network.")
    if not _WORKDIR.value:
        raise ValueError("export what? Give --workdir, the folder of a run, or --pretrained.")
    return Classifier.load(_WORKDIR.value)


if __name__ == "__main__":
    command_line.run(main)
