"""AugMix blends an image with chains whose shares add up to one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.augment import aug_mix, augmix
from jaxcnn.augment.augmix import AUG_MIX_OPERATIONS, draw_chain
from jaxcnn.augment.randaugment import IDENTITY, RAND_AUGMENT_OPERATIONS

IMAGE = jnp.asarray(np.random.default_rng(0).random((12, 10, 3), np.float32))
KEYS = jax.random.split(jax.random.key(0), 3000)


def test_chains_are_of_one_to_three_of_nine_operations():
    draw = jax.jit(jax.vmap(lambda key: draw_chain(key, 4.0, 3)))
    operations, strengths = map(np.asarray, draw(KEYS))
    depth = (operations != IDENTITY).sum(1)
    counts = np.bincount(depth, minlength=4)
    assert counts[0] == 0
    assert 900 < counts[1:].min() < counts[1:].max() < 1100  # 1000 +- 26
    assert (np.diff((operations == IDENTITY).astype(int), axis=1) >= 0).all()
    used = np.bincount(operations[operations != IDENTITY], minlength=14)
    expected = sorted(RAND_AUGMENT_OPERATIONS.index(name) for name in AUG_MIX_OPERATIONS)
    assert sorted(np.flatnonzero(used)) == expected
    assert 560 < used[used > 0].min() < used.max() < 780  # 667 +- 24
    assert 0.01 <= np.abs(strengths).min() < 0.02
    assert 0.39 < np.abs(strengths).max() <= 0.4
    assert abs((strengths > 0).mean() - 0.5) < 0.03


def test_shares_add_up_to_one():
    """An even image of a level that no weak operation changes comes back as it is."""
    even = jnp.full((6, 6, 3), 64 / 255)
    draw = jax.jit(jax.vmap(lambda key: aug_mix(key, even, severity=1.0)))
    np.testing.assert_allclose(draw(KEYS[:200]), np.broadcast_to(even, (200, 6, 6, 3)), atol=1e-5)


def test_differs_by_key_and_stays_in_range():
    draw = jax.jit(jax.vmap(lambda key: aug_mix(key, IMAGE, severity=10.0)))
    images = np.asarray(draw(KEYS[:32]))
    assert images.min() >= 0
    assert images.max() <= 1
    assert len(np.unique(images.reshape(32, -1), axis=0)) == 32
    # The photo's own share is uniform in [0, 1]: some results are near it, none is equal.
    distance = np.abs(images - np.asarray(IMAGE)).mean((1, 2, 3))
    assert 0 < distance.min() < 0.05 < distance.max()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"severity": 11.0}, r"severity \(=11.0\) is outside \[0, 10\]"),
        ({"width": 0}, r"width \(=0\) and max_depth \(=3\) must be at least 1"),
        ({"max_depth": 0}, r"max_depth \(=0\) must be at least 1"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        aug_mix(jax.random.key(0), IMAGE, **options)


def test_the_strongest_posterize_keeps_four_bits():
    ramp = jnp.arange(256, dtype=jnp.float32).reshape(16, 16, 1) / 255
    operations = jnp.array([RAND_AUGMENT_OPERATIONS.index("posterize")])
    found = augmix._apply_chain(ramp, operations, jnp.ones(1))
    assert len(np.unique(found)) == 2**4
