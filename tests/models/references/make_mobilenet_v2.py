"""Write mobilenet_v2.json: logits of other MobileNets v2 with seeded weights."""

from functools import partial

import timm
import torch
import torchvision
from keras_rows import REFERENCE, keras, run_keras
from reference_rows import Answer, Case, make_parser, run_torch, write

_IMAGE_SHAPE = (65, 96, 3)
_GAINS = {r"(conv\.3\.weight|\.bn3\.weight|project_BN/gamma)$": 0.7}

_TORCHVISION = Case(
    model="mobilenet_v2",
    origin="torchvision",
    build=torchvision.models.mobilenet_v2,
    reference=f"torchvision {torchvision.__version__}, torch {torch.__version__}",
    image_shape=_IMAGE_SHAPE,
    gains=_GAINS,
)
_TIMM = Case(
    model="mobilenet_v2",
    origin="timm",
    build=partial(timm.create_model, "mobilenetv2_100"),
    reference=f"timm {timm.__version__}, torch {torch.__version__}",
    image_shape=_IMAGE_SHAPE,
    gains=_GAINS,
    slow=True,
)
_KERAS = Case(
    model="mobilenet_v2",
    origin="keras",
    build=partial(keras.applications.MobileNetV2, weights=None, classifier_activation=None),
    reference=REFERENCE,
    image_shape=_IMAGE_SHAPE,
    gains=_GAINS,
)


def _run(case: Case, image_shape: tuple[int, int, int]) -> Answer:
    return (run_keras if case.origin == "keras" else run_torch)(case, image_shape)


if __name__ == "__main__":
    write("mobilenet_v2", [_TORCHVISION, _TIMM, _KERAS], make_parser().parse_args(), _run)
