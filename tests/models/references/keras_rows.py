"""How Keras networks are filled and run for the files of reference logits."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
from reference_rows import Answer, Case
from seeded_weights import seeded_array, seeded_images

REFERENCE = f"keras {keras.__version__}, {keras.backend.backend()} backend"


def run_keras(case: Case, image_shape: tuple[int, int, int]) -> Answer:
    """Fill a Keras network with seeded weights and run it; its builder takes `input_shape`."""
    model = case.build(input_shape=image_shape)
    shapes = {}
    for layer in model.layers:
        for variable in layer.weights:
            name = _name(layer, variable)
            shapes[name] = tuple(variable.shape)
            drawn = seeded_array(name, shapes[name], layout="tensorflow", gains=case.gains)
            variable.assign(drawn)
    logits = np.asarray(model.predict_on_batch(seeded_images((2, *image_shape))))
    num_parameters = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    return Answer(logits, num_parameters, shapes)


def _name(layer: keras.Layer, variable: keras.Variable) -> str:
    """Name a variable as files do: Keras 3 says "kernel" for what files call depthwise_kernel."""
    is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D) and variable.name == "kernel"
    return f"{layer.name}/depthwise_kernel" if is_depthwise else f"{layer.name}/{variable.name}"
