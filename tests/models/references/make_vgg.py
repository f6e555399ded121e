"""Write vgg.json: logits of torchvision's, timm's and Keras's VGGs with seeded weights."""

import math
import os
from functools import partial

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import timm
import torch
import torchvision
from reference_rows import Answer, Case, make_parser, run_torch, write
from seeded_weights import seeded_array, seeded_images

_MODELS = [f"vgg{depth}{suffix}" for depth in (11, 13, 16, 19) for suffix in ("", "_bn")]
# Its fully connected layers are made for the feature map of 224x224 images.
_KERAS_SHAPE = (224, 224, 3)


def _torch_case(model: str, origin: str) -> Case:
    build = getattr(torchvision.models, model)
    version = f"torchvision {torchvision.__version__}"
    if origin == "timm":
        build, version = partial(timm.create_model, model), f"timm {timm.__version__}"
    return Case(
        model=model,
        origin=origin,
        build=build,
        reference=f"{version}, torch {torch.__version__}",
        image_shape=(64, 96, 3),  # other than 7x7 before the adaptive pooling
        gains={},
        slow=True,
    )


def _keras_case(model: str) -> Case:
    builders = {"vgg16": keras.applications.VGG16, "vgg19": keras.applications.VGG19}
    return Case(
        model=model,
        origin="keras",
        build=partial(builders[model], weights=None, classifier_activation=None),
        reference=f"keras {keras.__version__}, {keras.backend.backend()} backend",
        image_shape=_KERAS_SHAPE,
        gains={},
        slow=True,
    )


def _run(case: Case, image_shape: tuple[int, int, int]) -> Answer:
    if case.origin == "keras":
        return _run_keras(case)
    answer = run_torch(case, image_shape)
    # timm's fc6 and fc7 are convolutions: the same numbers as of linear layers, channels first.
    flat = {n: _flat(s) if n.startswith("pre_logits.") else s for n, s in answer.shapes.items()}
    return answer._replace(shapes=flat)


def _flat(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0], math.prod(shape[1:])) if len(shape) == 4 else shape


def _run_keras(case: Case) -> Answer:
    model = case.build()
    for variable in model.variables:
        shape = tuple(variable.shape)
        variable.assign(seeded_array(variable.path, shape, layout="tensorflow", gains=case.gains))
    logits = np.asarray(model.predict_on_batch(seeded_images((2, *_KERAS_SHAPE))))
    shapes = {variable.path: tuple(variable.shape) for variable in model.variables}
    num_parameters = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    return Answer(logits, num_parameters, shapes)


if __name__ == "__main__":
    cases = [_torch_case(model, origin) for origin in ("torchvision", "timm") for model in _MODELS]
    cases += [_keras_case(model) for model in ("vgg16", "vgg19")]
    write("vgg", cases, make_parser().parse_args(), _run)
