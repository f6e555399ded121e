"""The flags by which a program is told which trained network to use."""

import logging

from absl import flags

from jaxcnn.cli import command_line, help_formatter
from jaxcnn.runs.classifier import Classifier

logger = logging.getLogger(__name__)

WORKDIR = flags.DEFINE_string("workdir", None, "folder of a run, or its checkpoints/best alone.")
MODEL = flags.DEFINE_string(
    "model",
    None,
    "with --pretrained or --weights: name of the network; efficientnet_lite0 if none is given.",
)
_PRETRAINED = flags.DEFINE_bool(
    "pretrained", False, "use the network's published weights, with the classes they know."
)
_WEIGHTS = flags.DEFINE_string(
    "weights", None, "published weights by name, or the path of a file; implies --pretrained."
)
_COMPUTE_DTYPE = flags.DEFINE_string(
    "compute_dtype",
    None,
    "precision of the layers: float32, bfloat16, or auto: bfloat16 where a trial shows that it is "
    "faster on this machine and right, else float32; default auto, of an export float32.",
)
NAMES = help_formatter.group(
    "network", "workdir", "pretrained", "model", "weights", "compute_dtype"
)


def load_classifier(compute_dtype: str = "auto") -> Classifier:
    """Prepare the process, and load the network that the flags name.

    Args:
      compute_dtype: precision of the layers where no flag says it.

    Raises:
      ValueError: if they name none, or two, or one that cannot be had.
    """
    lines: list[str] = []
    command_line.prepare(say=lines.append)
    classifier = _load(_COMPUTE_DTYPE.value or compute_dtype)
    for line in lines:  # only now, since a mistake is told in one line
        logger.info(line)
    return classifier


def _load(compute_dtype: str) -> Classifier:
    asks_for_weights = _PRETRAINED.value or _WEIGHTS.value is not None
    if WORKDIR.value and asks_for_weights:
        raise ValueError("--workdir and published weights exclude each other; give one.")
    if asks_for_weights:
        return Classifier.from_pretrained(
            _WEIGHTS.value, model=MODEL.value, compute_dtype=compute_dtype
        )
    if WORKDIR.value and MODEL.value:
        raise ValueError("--model goes with --pretrained or --weights; a run knows its network.")
    if not WORKDIR.value:
        raise ValueError(
            "which network? Give --workdir, the folder of a run, or --pretrained for ImageNet's "
            "classes."
        )
    return Classifier.load(WORKDIR.value, compute_dtype=compute_dtype)
