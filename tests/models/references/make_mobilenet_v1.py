"""Write mobilenet_v1.json: logits of other MobileNets v1 with seeded weights."""

from functools import partial

import timm
import torch
from keras_rows import REFERENCE, keras, run_keras
from reference_rows import Answer, Case, make_parser, run_torch, write

_KERAS_SHAPE = (64, 96, 3)  # where a feature map's side is odd Keras pads in a way of its own
_WIDTHS = {"": 1.0, "_0.75": 0.75, "_0.5": 0.5, "_0.25": 0.25}


def _keras(suffix: str, width: float) -> Case:
    return Case(
        model=f"mobilenet_v1{suffix}",
        origin="keras",
        build=partial(
            keras.applications.MobileNet, alpha=width, weights=None, classifier_activation=None
        ),
        reference=REFERENCE,
        image_shape=_KERAS_SHAPE,
        gains={},
        slow=width != 0.25,
    )


_TIMM = Case(
    model="mobilenet_v1",
    origin="timm",
    build=partial(timm.create_model, "mobilenetv1_100"),
    reference=f"timm {timm.__version__}, torch {torch.__version__}",
    image_shape=(65, 96, 3),
    gains={},
)


def _run(case: Case, image_shape: tuple[int, int, int]) -> Answer:
    if case.origin != "keras":
        return run_torch(case, image_shape)
    answer = run_keras(case, image_shape)
    # Its last layer is a 1x1 convolution on the mean; ours is dense, and takes kernels of both.
    kernel = {"conv_preds/kernel": answer.shapes["conv_preds/kernel"][2:]}
    return answer._replace(shapes={**answer.shapes, **kernel})


if __name__ == "__main__":
    cases = [_keras(suffix, width) for suffix, width in _WIDTHS.items()]
    write("mobilenet_v1", [*cases, _TIMM], make_parser().parse_args(), _run)
