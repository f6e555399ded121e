"""Views that a teacher answers before training: the same views come again, with their answers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.augment import make_augment
from jaxcnn.augment.mixing import make_mixing
from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.models import create_model
from jaxcnn.training.answered_views import answer_views
from jaxcnn.training.distillation import Teacher
from jaxcnn.training.fitting import fit
from jaxcnn.training.step import image_preparation
from jaxcnn.types import Batch

RANDOM = np.random.default_rng(0)
DATA = RANDOM.integers(0, 256, (12, 8, 8, 3)).astype(np.uint8), np.arange(12, dtype=np.int32) % 2
AUGMENT = make_augment("flip,translation=0.25,brightness=0.2", image_size_px=8)
MEANS = Teacher(lambda views: views.mean((1, 2))[:, :2])  # which no two views share


def batch_of(index):
    index = np.asarray(index, np.int32)
    return Batch(DATA[0][index % 12], DATA[1][index % 12], index >= 0, index)


@pytest.mark.parametrize("first", [0, 12, 36])  # copies of an example lie beyond the last one
def test_the_answer_is_to_the_view_that_the_student_sees(first):
    teacher = answer_views(MEANS, DATA, augment=AUGMENT, num_views=3, seed=5, batch_size=8)
    prepare = image_preparation(AUGMENT, None, Preprocessing(), teacher)
    seen = set()
    for step in range(8):
        batch = batch_of(first + RANDOM.permutation(12)[:5])
        inputs, (label, answers) = prepare(batch, jax.random.key(step))
        want = (inputs * 0.25 + 0.5).mean((1, 2))[:, :2]
        np.testing.assert_allclose(answers, want, atol=1e-5)
        np.testing.assert_array_equal(label, batch.label)
        examples = (batch.index % 12).tolist()
        seen |= set(zip(examples, answers[:, 0].round(5).tolist(), strict=True))
    example = next(iter(seen))[0]
    assert 1 < len({answer for i, answer in seen if i == example}) <= 3
    assert len(seen) > 20


def test_answers_do_not_depend_on_the_batches():
    one, other = (
        answer_views(MEANS, DATA, augment=AUGMENT, num_views=2, batch_size=n).answered.logits
        for n in (5, 12)
    )
    assert one.shape == (12, 2, 2)
    np.testing.assert_allclose(one, other, rtol=1e-6)
    again = answer_views(MEANS, DATA, augment=AUGMENT, num_views=2, seed=1).answered.logits
    assert np.abs(one - again).max() > 1e-3


def train(teacher, **options):
    model = create_model("six_conv", 2, depth=1, width_multiplier=0.125, dropout_rate=0.0)
    common = {"optimizer": optax.sgd(0.05), "batch_size": 4, "num_epochs": 2}
    return fit(model, DATA, DATA, augment=AUGMENT, teacher=teacher, **common, **options)


def test_training_does_not_ask_again():
    def silent(views):
        raise AssertionError("asked")

    once = answer_views(MEANS, DATA, augment=AUGMENT, num_views=2)
    result = train(once._replace(answer=silent, label_share=0.0))
    alone = train(None)
    assert result.history[0]["train_loss"] != alone.history[0]["train_loss"]
    assert all(map(np.isfinite, jax.tree.leaves(jax.tree.map(np.sum, result.state.params))))


def test_images_of_floating_point_are_seen_as_they_are():
    images = RANDOM.uniform(size=(6, 4, 4, 3)).astype(np.float32)
    found = answer_views(MEANS, (images, np.arange(6) % 2), num_views=1).answered.logits
    np.testing.assert_allclose(found[:, 0], images.mean((1, 2))[:, :2], rtol=1e-5)


def test_what_has_no_answers_is_refused():
    once = answer_views(MEANS, DATA, num_views=1)
    with pytest.raises(ValueError, match="knows no mixed views"):
        train(once, mixing=make_mixing(num_classes=2, mixup_alpha=1.0))
    short = once._replace(answered=once.answered._replace(logits=np.zeros((11, 1, 2))))
    with pytest.raises(ValueError, match="answered for 11 examples, and train has 12"):
        train(short)
    with pytest.raises(ValueError, match="num_views must be at least 1, got 0"):
        answer_views(MEANS, DATA, num_views=0)
    with pytest.raises(ValueError, match="train is an iterable of batches"):
        answer_views(MEANS, iter([(DATA[0], DATA[1])]), num_views=1)
    many = Teacher(lambda views: jnp.zeros((len(views), 10**7)))
    with pytest.raises(ValueError, match="take more than 256 MiB; leave them out, or let"):
        answer_views(many, DATA, num_views=1)
