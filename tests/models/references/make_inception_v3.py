"""Write inception_v3.json: logits of torchvision's, timm's and Keras's with seeded weights."""

from functools import partial

import timm
import torch
import torchvision
from keras_rows import REFERENCE, keras, run_keras
from reference_rows import Answer, Case, make_parser, run_torch, write

_SHAPE = (107, 139, 3)  # oblong; the last grid is 2x3
_BUILDERS = {
    "torchvision": (
        partial(torchvision.models.inception_v3, aux_logits=False, init_weights=False),
        f"torchvision {torchvision.__version__}, torch {torch.__version__}",
    ),
    "timm": (
        partial(timm.create_model, "inception_v3"),
        f"timm {timm.__version__}, torch {torch.__version__}",
    ),
    "keras": (
        partial(keras.applications.InceptionV3, weights=None, classifier_activation=None),
        REFERENCE,
    ),
}


def _case(origin: str) -> Case:
    build, reference = _BUILDERS[origin]
    # timm's arithmetic is torchvision's.
    return Case("inception_v3", origin, build, reference, _SHAPE, {}, slow=origin == "timm")


def _run(case: Case, image_shape: tuple[int, int, int]) -> Answer:
    if case.origin != "keras":
        return run_torch(case, image_shape)
    keras.backend.clear_session()  # or the numbers of the layers would go on
    return run_keras(case, image_shape)


if __name__ == "__main__":
    write("inception_v3", [_case(origin) for origin in _BUILDERS], make_parser().parse_args(), _run)
