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
_WEIGHTS_KEY = flags.DEFINE_string(
    "weights_key",
    None,
    "which part of the file of --weights to read: an entry of a PyTorch checkpoint, such as "
    "state_dict, or what stands before the names of the arrays; default the EMA of the weights "
    "where the file has one, else the only entry.",
)
_CLASS_NAMES = flags.DEFINE_string(
    "class_names",
    None,
    "file of the names of the classes of --weights, in the order of its outputs: one per line, a "
    "JSON list, or a JSON object from outputs to names.",
)
_COMPUTE_DTYPE = flags.DEFINE_string(
    "compute_dtype",
    None,
    "precision of the layers: float32, bfloat16, or auto: bfloat16 where a trial shows that it is "
    "faster on this machine and right, else float32; default auto, of an export float32.",
)
NAMES = help_formatter.group(
    "network",
    *("workdir", "pretrained", "model", "weights", "weights_key", "class_names", "compute_dtype"),
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
            _WEIGHTS.value,
            model=MODEL.value,
            weights_key=_WEIGHTS_KEY.value,
            class_names=_CLASS_NAMES.value,
            compute_dtype=compute_dtype,
        )
    of_weights = [flag.name for flag in (MODEL, _WEIGHTS_KEY, _CLASS_NAMES) if flag.value]
    if WORKDIR.value and of_weights:
        raise ValueError(
            f"--{of_weights[0]} goes with --pretrained or --weights; a run knows its network."
        )
    if not WORKDIR.value:
        raise ValueError(
            "which network? Give --workdir, the folder of a run, or --pretrained for ImageNet's "
            "classes."
        )
    return Classifier.load(WORKDIR.value, compute_dtype=compute_dtype)
