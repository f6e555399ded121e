"""A network of each family to compare between the CPU and an accelerator: logits and gradients."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.accelerator.cases import Case, draws
from jaxcnn import losses
from jaxcnn.models import StagedNetwork, create_model
from jaxcnn.training.state import start_state
from jaxcnn.training.step import make_train_step
from jaxcnn.types import Batch, PyTree

_CLASSES, _BATCH = 5, 8
# name: (options, image size in px), as small as the family's pooling allows
FAMILIES: dict[str, tuple[dict[str, Any], int]] = {
    "lenet5": ({}, 32),
    "six_conv": ({"batch_norm": True, "width_multiplier": 0.25, "dense_widths": (16,)}, 64),
    "alexnet": ({}, 64),
    "vgg11_bn": ({}, 32),
    "googlenet": ({}, 64),
    "inception_v3": ({}, 80),
    "resnet18": ({"stem": "small"}, 16),
    "resnet50": ({}, 64),
    "regnet_y_400mf": ({}, 64),
    "mobilenet_v1_0.25": ({}, 64),
    "mobilenet_v2": ({"width_multiplier": 0.35}, 64),
    "mobilenet_v3_small": ({}, 64),
    "efficientnet_b0": ({}, 64),
    "efficientnet_lite0": ({}, 64),
    "efficientnet_v2_b0": ({}, 64),
    "mnasnet0_5": ({}, 64),
    "shufflenet_v2_x0_5": ({}, 64),
    "convnext_tiny": ({"stage_sizes": (1, 1, 1, 1), "widths": (8, 16, 32, 64)}, 64),
    "convnextv2_atto": ({"stage_sizes": (1, 1, 1, 1)}, 64),
    "densenet121": ({"stage_sizes": (2, 2, 2, 2)}, 64),
    "squeezenet1_1": ({}, 64),
}
TINY = ("lenet5", "six_conv", "mobilenet_v1_0.25")


def cases(names: tuple[str, ...] = tuple(FAMILIES)) -> list[Case]:
    """List the networks, each with its answers and one step of training."""
    return [_case(name, *FAMILIES[name]) for name in names]


def _case(name: str, options: dict[str, Any], size_px: int) -> Case:
    model = create_model(name, _CLASSES, **options)
    images = draws(0, _BATCH, size_px, size_px, 3)
    function = functools.partial(_answers_and_step, model)
    inputs = (random_variables(model, images), images)
    return Case(f"networks: {name}", function, inputs, tolerance=2e-3, half_tolerance=0.1)


def _answers_and_step(
    model: StagedNetwork, dtype: Any, variables: PyTree, images: jax.Array
) -> PyTree:
    """Give the logits of evaluation, and what one step of training changes and counts."""
    model = model.clone(dtype=dtype)
    optimizer = optax.sgd(0.1, momentum=0.9)  # whose momentum is the gradient after one step
    train_step = make_train_step(
        model,
        optimizer,
        losses.make_loss("softmax", num_classes=_CLASSES),
        prepare=lambda batch, key: (jnp.asarray(batch.image), jnp.asarray(batch.label)),
    )
    index = jnp.arange(_BATCH)
    batch = Batch(images, index % _CLASSES, index < _BATCH - 1, index)
    state, sums = train_step(start_state(variables, optimizer), batch, jax.random.key(0))
    return {
        "logits": model.apply(variables, images, train=False),
        "gradients": state.opt_state,
        "batch_stats": state.batch_stats,
        "loss": sums["loss"],
    }


def random_variables(model: StagedNetwork, images: np.ndarray) -> PyTree:
    """Draw a network's variables by numpy: the same ones on each machine, and nothing compiled."""
    shapes = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)
    random = np.random.default_rng(1)

    def draw(path: Any, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        if path[-1].key in ("scale", "var"):
            return random.uniform(0.5, 1.5, leaf.shape).astype(np.float32)
        gain = (2 / max(np.prod(leaf.shape[:-1]), 1)) ** 0.5 if len(leaf.shape) > 1 else 0.1
        return (gain * random.standard_normal(leaf.shape)).astype(np.float32)

    return jax.tree.map_with_path(draw, shapes)
