"""A student learns from the answers of its teacher: the losses, the views, what `fit` does."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special

from jaxcnn import losses
from jaxcnn.augment import random_flip
from jaxcnn.augment.mixing import make_mixing
from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.models import create_model
from jaxcnn.optim import Privacy
from jaxcnn.training.distillation import Teacher, make_distillation_loss, make_teacher
from jaxcnn.training.fitting import fit
from jaxcnn.training.step import image_preparation
from jaxcnn.types import Batch

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(5, 3)).astype(np.float32)
ANSWERS = 2 * RANDOM.normal(size=(5, 3)).astype(np.float32)
LABELS = np.array([0, 2, 1, 1, 0], np.int32)
SOFTMAX = losses.make_loss("softmax", num_classes=3)


def teach(**options):
    return Teacher(lambda views: jnp.zeros((len(views), 2)), **options)


@pytest.mark.parametrize(("temperature", "share"), [(1.0, 0.0), (3.0, 0.1), (0.5, 0.7)])
def test_soft_answers_are_learned_by_divergence(temperature, share):
    teacher = teach(temperature=temperature, label_share=share)
    found = make_distillation_loss(SOFTMAX, teacher)(LOGITS, (LABELS, ANSWERS))
    ours = scipy.special.log_softmax(LOGITS / temperature, axis=1)
    theirs = scipy.special.log_softmax(ANSWERS / temperature, axis=1)
    divergence = (np.exp(theirs) * (theirs - ours)).sum(axis=1)
    label = -scipy.special.log_softmax(LOGITS, axis=1)[np.arange(5), LABELS]
    want = share * label + (1 - share) * temperature**2 * divergence
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6)


def test_hard_answers_are_labels():
    found = make_distillation_loss(SOFTMAX, teach(kind="hard"))(LOGITS, (LABELS, ANSWERS))
    want = (SOFTMAX(LOGITS, LABELS) + SOFTMAX(LOGITS, ANSWERS.argmax(1).astype(np.int32))) / 2
    np.testing.assert_allclose(found, want, rtol=1e-6)


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_a_single_logit_is_as_two(kind):
    teacher = teach(kind=kind, temperature=2.0, label_share=0.3)
    one, labels, answers = LOGITS[:, :1], LABELS % 2, ANSWERS[:, :2]
    single = make_distillation_loss(
        losses.make_loss("sigmoid", num_classes=2), teacher, head="sigmoid"
    )
    double = make_distillation_loss(losses.make_loss("softmax", num_classes=2), teacher)
    two = np.concatenate([np.zeros_like(one), one], axis=1)
    np.testing.assert_allclose(
        single(one, (labels, answers)), double(two, (labels, answers)), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_several_labels_are_a_mean_of_pairs(kind):
    teacher = teach(kind=kind, temperature=2.0, label_share=0.0)
    loss_fn = losses.make_loss("multi_label", num_classes=3)
    found = make_distillation_loss(loss_fn, teacher, head="multi_label")(
        LOGITS, (np.zeros((5, 3), np.float32), ANSWERS)
    )
    pair = make_distillation_loss(losses.make_loss("softmax", num_classes=2), teacher)

    def as_two(column):
        return np.stack([np.zeros_like(column), column], axis=1)

    each = [pair(as_two(LOGITS[:, k]), (LABELS % 2, as_two(ANSWERS[:, k]))) for k in range(3)]
    np.testing.assert_allclose(found, np.mean(each, axis=0), rtol=1e-4, atol=1e-6)


def test_other_classes_are_refused():
    with pytest.raises(ValueError, match="the teacher answers with 2 classes, the student with 3"):
        make_distillation_loss(SOFTMAX, teach())(LOGITS, (LABELS, ANSWERS[:, :2]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "sof"}, "nearest first: soft, hard"),
        ({"temperature": 0}, "temperature must be finite and above 0, got 0"),
        ({"temperature": np.inf}, "temperature must be finite"),
        ({"label_share": 1.5}, r"label_share must lie in \[0, 1\], got 1.5"),
    ],
)
def test_a_wrong_option_is_told(options, message):
    model = create_model("six_conv", 2, depth=1)
    with pytest.raises(ValueError, match=message):
        make_teacher(model, {}, preprocessing=Preprocessing(), **options)


def make_network(num_classes=2, size_px=8, seed=0):
    model = create_model("six_conv", num_classes, depth=1, width_multiplier=0.125, dropout_rate=0.0)
    images = jnp.zeros((1, size_px, size_px, 3))
    return model, model.init(jax.random.key(seed), images, train=False)


def test_a_teacher_sees_its_own_size_and_values_and_answers_in_the_students_order():
    model, variables = make_network(3)
    seen = Preprocessing(image_size_px=8, mean=(0.1, 0.2, 0.3), std=(0.5, 0.4, 0.3))
    views = RANDOM.uniform(size=(4, 4, 4, 3)).astype(np.float32)
    found = make_teacher(model, variables, preprocessing=seen, order=[2, 0, 1]).answer(views)
    larger = np.asarray(jax.image.resize(views, (4, 8, 8, 3), "linear"))
    inputs = (larger - np.array(seen.mean, "f")) / np.array(seen.std, "f")
    want = model.apply(variables, inputs, train=False)
    np.testing.assert_allclose(found, want[:, jnp.array([2, 0, 1])], rtol=1e-5, atol=1e-6)


def test_no_gradient_goes_through_a_teacher():
    model, variables = make_network(3)
    teacher = make_teacher(model, variables, preprocessing=Preprocessing(image_size_px=8))
    slopes = jax.grad(lambda views: teacher.answer(views)[:, 0].sum())(jnp.ones((1, 8, 8, 3)) / 2)
    assert not slopes.any()


def test_several_teachers_answer_by_their_mean_probability():
    model, one = make_network(3)
    other = make_network(3, seed=1)[1]
    seen = Preprocessing(image_size_px=8)
    views = RANDOM.uniform(size=(4, 8, 8, 3)).astype(np.float32)
    each = [make_teacher(model, v, preprocessing=seen).answer(views) for v in (one, other)]
    both = make_teacher(model, [one, other], preprocessing=seen).answer(views)
    want = (jax.nn.softmax(each[0]) + jax.nn.softmax(each[1])) / 2
    np.testing.assert_allclose(jax.nn.softmax(both), want, rtol=1e-5)


def test_teacher_and_student_see_one_view():
    images = RANDOM.integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)
    batch = Batch(images, np.arange(6, dtype=np.int32) % 2, np.ones(6, bool), np.arange(6))
    seen = Preprocessing(image_size_px=8)
    teacher = Teacher(lambda views: views)
    prepare = image_preparation(
        random_flip, make_mixing(num_classes=2, mixup_alpha=1.0), seen, teacher
    )
    inputs, (label, views) = prepare(batch, jax.random.key(0))
    np.testing.assert_allclose(inputs, (views - 0.5) / 0.25, atol=1e-6)
    assert label.shape == (6, 2)
    assert views.min() >= 0
    assert views.max() <= 1


DATA = RANDOM.integers(0, 256, (32, 8, 8, 3)).astype(np.uint8), np.arange(32, dtype=np.int32) % 2


def train(**options):
    return fit(
        make_network()[0],
        DATA,
        DATA,
        optimizer=optax.sgd(0.05),
        batch_size=8,
        num_epochs=2,
        **options,
    )


def test_a_student_learns_what_its_teacher_says_against_the_labels():
    opposite = Teacher(
        lambda views: 20.0 * jnp.stack([views.mean((1, 2, 3)) - 0.5, jnp.zeros(len(views))], 1),
        temperature=1.0,
        label_share=0.0,
    )
    alone, taught = train(), train(teacher=opposite)
    assert taught.history[0]["train_loss"] != alone.history[0]["train_loss"]
    # The loss that is reported is that with the labels, in both.
    images = jnp.asarray(DATA[0], jnp.float32) / 255
    target = jax.nn.softmax(opposite.answer(images))

    def distance(result):
        logits = make_network()[0].apply(result.best.variables, (images - 0.5) / 0.25, train=False)
        return float(jnp.abs(jax.nn.softmax(logits) - target).mean())

    assert distance(taught) < distance(alone)


def test_parts_of_a_batch_have_their_own_answers():
    model, variables = make_network(seed=3)
    teacher = make_teacher(model, variables, preprocessing=Preprocessing(image_size_px=8))
    whole, parts = train(teacher=teacher), train(teacher=teacher, accumulate_steps=2)
    for a, b in zip(
        jax.tree.leaves(whole.state.params), jax.tree.leaves(parts.state.params), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_what_a_teacher_cannot_see_is_refused():
    with pytest.raises(TypeError, match="teacher must be what make_teacher gives"):
        train(teacher=make_network())
    with pytest.raises(ValueError, match="teacher sees the images that fit prepares"):
        train(teacher=teach(), prepare=lambda batch, key: (batch.image, batch.label))
    with pytest.raises(ValueError, match="private bounds what the labels tell"):
        train(teacher=teach(), private=Privacy(1.0, 1.0))
