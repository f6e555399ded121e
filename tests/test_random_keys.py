"""A key serves once: it draws, or it is split, or numbers are folded into it; and nothing else.

Two draws from one key are the same numbers, and `split(key)` gives the keys of `fold_in(key, n)`;
no single draw shows it, only that two of them go together.
"""

import collections

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn import augment, losses
from jaxcnn.augment.mixing import make_mixing
from jaxcnn.optim.differential_privacy import Privacy
from jaxcnn.training.features import pick_view
from jaxcnn.training.state import start_state
from jaxcnn.training.step import make_train_step
from jaxcnn.types import Batch

IMAGES = np.random.default_rng(0).random((4, 12, 14, 3)).astype(np.float32)
DRAWS = (
    "bernoulli",
    "beta",
    "bits",
    "categorical",
    "choice",
    "exponential",
    "gumbel",
    "normal",
    "permutation",
)
DRAWS += ("rademacher", "randint", "truncated_normal", "uniform")
POLICY = "strong,gamma=0.2,erasing=0.5,rand_augment=9,trivial_augment=0.5,aug_mix=3,blur=0.5"
POLICY += ",vertical_flip=0.5,grayscale=0.1,perspective=0.2,elastic=20"
OPTIONS = {
    "random_affine": {"scale": (0.5, 1.0), "max_rotation_radians": 0.5},
    "random_brightness": {"max_delta": 0.3},
    "random_contrast": {"max_change": 0.5},
    "random_crop": {"size_px": 7},
    "random_cutout": {"max_fraction": 0.5},
    "random_gamma": {"max_change": 0.5},
    "random_hue": {"max_delta": 0.3},
    "random_resized_crop": {"output_size_px": 8},
    "random_rotation": {"max_radians": 0.5},
    "random_saturation": {"max_change": 0.5},
    "random_translation": {"max_fraction": 0.4},
}


@pytest.fixture
def uses(monkeypatch):
    """What each key was used for, by the key itself, while functions are traced."""
    found = collections.defaultdict(list)
    kept = []  # a number of `id` must not come again

    def noting(name, function):
        def noted(key, *args, **kwargs):
            kept.append((key, args))
            folded = args[0] if name == "fold_in" else ""
            number = id(folded) if isinstance(folded, jax.Array) else folded
            found[id(key)].append(f"{name} {number}")
            return function(key, *args, **kwargs)

        return noted

    for name in (*DRAWS, "split", "fold_in"):
        monkeypatch.setattr(jax.random, name, noting(name, getattr(jax.random, name)))
    return found


def reused(uses):
    """Give the uses of each key that served more than once; what draws nothing is told too."""
    folds = {k: names for k, names in uses.items() if all(n.startswith("fold_in") for n in names)}
    twice = [names for names in folds.values() if len(names) > len(set(names))]
    twice += [names for key, names in uses.items() if key not in folds and len(names) > 1]
    return twice if uses else ["nothing is drawn"]


def batch():
    index = np.arange(4, dtype=np.int32)
    return Batch(IMAGES, index % 2, np.ones(4, bool), index)


@pytest.mark.parametrize("name", [n for n in augment.__all__ if n.startswith("rand")])
def test_of_each_random_operation(name, uses):
    function = getattr(augment, name)
    jax.eval_shape(lambda k: function(k, IMAGES[0], **OPTIONS.get(name, {})), jax.random.key(0))
    assert reused(uses) == []


@pytest.mark.parametrize("policy", [POLICY, "flip,brightness=0.2"])
def test_of_a_policy(policy, uses):
    made = augment.make_augment(policy, image_size_px=10)
    jax.eval_shape(
        lambda k: augment.augment_batch(made, k, jnp.asarray(IMAGES), jnp.arange(4)),
        jax.random.key(0),
    )
    assert reused(uses) == []


def test_of_views(uses):
    features = IMAGES.reshape(4, 12, -1)
    jax.eval_shape(pick_view, batch()._replace(image=features), jax.random.key(0))
    assert reused(uses) == []


class Net(nn.Module):
    """One layer, with dropout before and after it."""

    @nn.compact
    def __call__(self, images, *, train):
        x = nn.Dropout(0.5, deterministic=not train)(images.reshape(len(images), -1))
        return nn.Dropout(0.5, deterministic=not train)(nn.Dense(2)(x))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mixing": make_mixing(num_classes=2, mixup_alpha=0.5, cutmix_alpha=1.0)},
        {"accumulate_steps": 2},
        {"private": Privacy(1.0, 2.0)},
    ],
    ids=["plain", "mixing", "accumulating", "private"],
)
def test_of_a_training_step(options, uses):
    optimizer = optax.sgd(0.1)
    state = start_state(Net().init(jax.random.key(0), IMAGES[:, :10, :10], train=False), optimizer)
    step = make_train_step(
        Net(),
        optimizer,
        losses.make_loss("softmax", num_classes=2),
        augment.make_augment("flip,brightness=0.2", image_size_px=10),
        preprocessing=None,
        **options,
    )
    uses.clear()
    jax.eval_shape(step, state, batch(), jax.random.key(1))
    assert reused(uses) == []
