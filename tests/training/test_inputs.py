"""What `fit` takes as data: all kinds learn, count exactly and resume; bad data is told clearly."""

import flax.linen as nn
import grain
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn import optim
from jaxcnn.data.datasets import load_splits
from jaxcnn.data.preprocessing import Decoding, Preprocessing
from jaxcnn.training.callbacks import Callback
from jaxcnn.training.checkpointing import Checkpoint
from jaxcnn.training.checkpoints import fingerprints
from jaxcnn.training.fitting import fit
from jaxcnn.training.inputs import IterableInput, SplitInput, as_batch, open_input
from jaxcnn.training.loop import NonFiniteLossError
from jaxcnn.types import Batch

BATCH = 8
RAGGED_STEPS = 9  # an epoch of the 66 images whose last batch has 2
OPTIONS = {"num_epochs": 2, "batch_size": BATCH, "key": 1}


class Net(nn.Module):
    """A convolution, BatchNorm and a dense layer."""

    outputs: int = 2

    @nn.compact
    def __call__(self, images, train):
        x = nn.Conv(4, (3, 3), strides=2)(images)
        x = nn.relu(nn.BatchNorm(not train, momentum=0.9)(x)).mean(axis=(1, 2))
        return nn.Dense(self.outputs)(x)


def run(train, validation=None, *, model=None, **options):
    options = {**OPTIONS, **options}
    return fit(
        model or Net(), train, validation, optimizer=optim.make_optimizer("adam", 0.03), **options
    )


class CrashAt(Callback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, view):
        if view.step == self.step:
            raise RuntimeError("power cut")


@pytest.fixture(scope="module")
def arrays(tiny_split):
    return np.asarray(tiny_split.gather(np.arange(66))[0]), tiny_split.labels


def in_batches(arrays, size=BATCH):
    images, labels = arrays
    return [(images[i : i + size], labels[i : i + size]) for i in range(0, len(labels), size)]


class Generated:
    """Starts a generator again for each epoch."""

    def __init__(self, arrays):
        self.arrays = arrays

    def __iter__(self):
        for images, labels in in_batches(self.arrays):
            yield {"image": images, "label": labels}


def examples(arrays):
    return grain.MapDataset.source(list(zip(*arrays, strict=True)))


def pairs(batch):
    return {"image": batch[0], "label": batch[1]}


KINDS = {
    "list of batches": in_batches,
    "generator": Generated,
    "Batch": lambda arrays: [as_batch(pair, 0) for pair in in_batches(arrays)],
    "Grain batches": lambda arrays: examples(arrays).batch(BATCH),
    "Grain iterable": lambda arrays: examples(arrays).batch(BATCH).to_iter_dataset(),
    "Grain shuffled": lambda arrays: (
        examples(arrays).seed(1).shuffle().batch(BATCH).map(pairs).to_iter_dataset()
    ),
}


@pytest.fixture(scope="module")
def listed(arrays):
    return run(in_batches(arrays), arrays)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_as_they_come_are_each_seen_once(arrays, listed, kind):
    result = run(KINDS[kind](arrays), arrays)
    assert [row["step"] for row in result.history] == [RAGGED_STEPS, 2 * RAGGED_STEPS]
    assert result.best.row["validation_accuracy"] > 0.9
    if kind != "Grain shuffled":
        assert fingerprints(result.state) == fingerprints(listed.state)


@pytest.mark.parametrize("kind", ["list of batches", "generator", "Grain iterable"])
def test_validation_on_ragged_batches_is_exact(arrays, listed, kind):
    found = listed.evaluate(KINDS[kind](arrays), listed.best.variables)
    whole = listed.evaluate(arrays, listed.best.variables)
    assert found.num_examples == 66
    np.testing.assert_array_equal(found.labels, whole.labels)
    np.testing.assert_allclose(found.probabilities, whole.probabilities, rtol=1e-5)
    assert found.metrics == pytest.approx(whole.metrics, rel=1e-5)
    assert found.index.tolist() == list(range(66))


def test_the_training_metrics_of_ragged_batches_are_exact(arrays):
    """With no learning, the mean over an epoch is that of an evaluation."""

    class Plain(nn.Module):
        @nn.compact
        def __call__(self, images, train):
            return nn.Dense(2)(images.mean(axis=(1, 2)))

    still = fit(Plain(), in_batches(arrays), arrays, optimizer=optax.sgd(0.0), key=1)
    row = still.history[0]
    assert row["train_accuracy"] == row["validation_accuracy"]
    assert row["train_loss"] == pytest.approx(row["validation_loss"], rel=1e-5)


@pytest.mark.parametrize(
    "kind", ["list of batches", "generator", "Grain iterable", "Grain shuffled"]
)
@pytest.mark.parametrize("at", [3, RAGGED_STEPS + 4])
def test_cut_short_it_ends_with_the_same_bits(arrays, listed, tmp_path, kind, at):
    whole = run(KINDS[kind](arrays), arrays) if kind == "Grain shuffled" else listed
    callbacks = [Checkpoint(tmp_path, every_steps=2), CrashAt(at)]
    with pytest.raises(RuntimeError, match="power cut"):
        run(KINDS[kind](arrays), arrays, callbacks=callbacks)
    seen = []

    class Look(Callback):
        def on_step_end(self, view):
            seen.append(view.step)

    again = run(KINDS[kind](arrays), arrays, callbacks=[Checkpoint(tmp_path), Look()])
    assert seen[0] in (at, at - 1)
    assert fingerprints(again.state) == fingerprints(whole.state)
    assert again.history[0]["train_loss"] == whole.history[0]["train_loss"]


def test_a_sequence_of_examples_is_shuffled_like_arrays(arrays):
    result, same = run(examples(arrays), examples(arrays)), run(arrays, arrays)
    assert fingerprints(result.state) == fingerprints(same.state)
    assert result.history[-1]["validation_loss"] == same.history[-1]["validation_loss"]


class Torchlike:
    """As a PyTorch Dataset: a length and items, and no more."""

    def __init__(self, arrays):
        self.arrays = arrays

    def __len__(self):
        return len(self.arrays[1])

    def __getitem__(self, i):
        return {"image": self.arrays[0][i], "label": int(self.arrays[1][i])}


def test_a_dataset_of_dicts(arrays):
    result = run(Torchlike(arrays), Torchlike(arrays))
    assert fingerprints(result.state) == fingerprints(run(arrays, arrays).state)
    assert result.evaluate(Torchlike(arrays)).labels.tolist() == arrays[1].tolist()


def test_an_iterator_serves_one_epoch_and_says_so_in_the_second(arrays):
    assert len(run(iter(in_batches(arrays)), num_epochs=1).history) == 1
    with pytest.raises(
        ValueError, match=r"train is an iterator, which can be read once, and num_epochs is"
    ):
        run(iter(in_batches(arrays)))
    with pytest.raises(ValueError, match=r"validation.*iterator"):
        run(arrays, iter(in_batches(arrays)))


@pytest.mark.slow
def test_photos_of_a_source_need_a_size_where_they_have_many(arrays):
    splits = load_splits("drawn_pets", size_px=16, max_train_examples=48)
    way = Preprocessing(decoding=Decoding(14), image_size_px=12)
    result = run(splits.train, splits.validation, preprocessing=way, num_epochs=1)
    assert result.history[0]["step"] == 6
    assert result.evaluate(splits.test).num_examples == len(splits.test)
    as_they_are = run(splits.train, num_epochs=1)
    assert as_they_are.history[0]["step"] == 6


@pytest.mark.slow
def test_a_data_set_by_its_name(monkeypatch):
    few = load_splits("drawn_pets", size_px=16, max_train_examples=48)
    monkeypatch.setattr("jaxcnn.data.datasets.load_splits", lambda name, **_: few)
    way = Preprocessing(decoding=Decoding(16))
    result = run("drawn_pets", preprocessing=way, num_epochs=1)
    assert "validation_accuracy" in result.history[0]
    assert result.evaluate(few.validation).num_examples == len(few.validation)


def test_an_unknown_name_of_data_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"unknown .*'drawn_petz'"):
        run("drawn_petz")
    with pytest.raises(TypeError, match=r"name of a set is for train alone.*'drawn_pets'"):
        run((np.zeros((8, 4, 4, 3), np.uint8), np.zeros(8, int)), "drawn_pets")


def test_soft_labels(arrays):
    soft = np.full((66, 2), 0.1, np.float32)
    soft[np.arange(66), arrays[1]] = 0.9
    result = run((arrays[0], soft), (arrays[0], soft))
    assert result.best.row["validation_accuracy"] > 0.9
    batches = run(in_batches((arrays[0], soft)), (arrays[0], soft))
    assert batches.best.row["validation_accuracy"] > 0.9


def squared_error(outputs, label):
    return jnp.mean((outputs - label) ** 2, axis=1)


@pytest.mark.parametrize("kind", ["arrays", "batches", "examples"])
def test_numbers_are_learned_by_an_own_loss(arrays, kind):
    images = arrays[0]
    wanted = images.mean(axis=(1, 2)).astype(np.float32) / 255  # (66, 3)
    data = {
        "arrays": (images, wanted),
        "batches": in_batches((images, wanted)),
        "examples": Torchlike((images, wanted)),
    }[kind]
    if kind == "examples":
        data = [(image, label) for image, label in zip(images, wanted, strict=True)]
        data = grain.MapDataset.source(data)
    result = run(data, (images, wanted), model=Net(3), loss=squared_error, metrics={}, num_epochs=6)
    assert result.history[-1]["validation_loss"] < 0.5 * result.history[0]["validation_loss"]
    assert result.best.step > 0
    found = result.evaluate((images, wanted))
    assert found.labels.shape == (66, 3)


def test_regression_with_the_default_accuracy_is_told(arrays):
    wanted = arrays[0].mean(axis=(1, 2, 3)).astype(np.float32) / 255  # (66,)
    loss = lambda outputs, label: (outputs[:, 0] - label) ** 2  # noqa: E731
    with pytest.raises(ValueError, match=r"accuracy needs.*metrics=\{\}"):
        run((arrays[0], wanted), model=Net(1), loss=loss)
    result = run((arrays[0], wanted), model=Net(1), loss=loss, metrics={})
    assert "train_accuracy" not in result.history[0]


def test_an_input_is_taken_as_it_is(arrays):
    data = open_input(arrays, None)
    assert isinstance(data, SplitInput)
    assert open_input(data, None) is data
    assert isinstance(open_input(in_batches(arrays), None), IterableInput)
    # Two batches are batches, not a pair of images and labels.
    assert isinstance(open_input(in_batches(arrays)[:2], None), IterableInput)
    assert isinstance(open_input([as_batch(arrays, 0)], None), IterableInput)


def bad_data():
    images, labels = np.zeros((8, 4, 4, 3), np.uint8), np.arange(8) % 2
    return {
        "lengths": ((images, labels[:7]), "images and labels must be equally many, got 8 and 7"),
        "lengths in a batch": ([(images, labels[:7])], "8 images and 7 labels"),
        "no examples": ((images[:0], labels[:0]), "no example"),
        "no batches": ([], "no batch"),
        "nothing": (None, "data must be .*NoneType"),
        "a number": (3, "data must be"),
        "images alone": (images, "labels"),
        "keys": ({"images": images, "labels": labels}, "got a dict of images, labels"),
        "names as labels": ((images, np.array(["cat"] * 8)), "labels must be.*numbers"),
        "images of no channels": ((images[..., 0], labels), r"\(N, H, W, C\)"),
        "int images": ((images.astype(np.int64), labels), "uint8 or floating point.*int64"),
        "labels of bool": ((images, labels[:, None]), "label must be integer of shape"),
        "label too high": ((images, labels + 1), "labels must be classes from 0 to 1"),
        "label below 0": ((images, labels - 1), "labels must be classes from 0 to 1"),
        "one batch too big": (
            [(images[:4], labels[:4]), (images, labels)],
            "at most the 4 of the first batch",
        ),
        "three parts": ([(images, labels, labels)], "got 3 parts"),
    }


@pytest.mark.parametrize("kind", bad_data())
def test_bad_data_is_told(kind):
    data, message = bad_data()[kind]
    with pytest.raises((TypeError, ValueError, NonFiniteLossError), match=message):
        run(data, batch_size=4)


def test_preprocessing_of_floats_is_told():
    images, labels = np.zeros((8, 4, 4, 3), np.float32), np.arange(8) % 2
    with pytest.raises(ValueError, match=r"preprocessing.*uint8.*float32"):
        run((images, labels), preprocessing=Preprocessing())


def test_validation_of_another_kind_is_told(arrays):
    floats = arrays[0].astype(np.float32)
    with pytest.raises(ValueError, match=r"validation.*float32.*uint8"):
        run(arrays, (floats, arrays[1]))


def test_images_of_float64_become_float32(arrays):
    data = (arrays[0] / 128 - 1, arrays[1])
    assert data[0].dtype == np.float64
    assert run(data, data).best.row["validation_accuracy"] > 0.9
    batches = in_batches(data)
    assert run(batches, batches).best.row["validation_accuracy"] > 0.9


def test_a_batch_keeps_its_own_padding():
    batch = Batch(np.zeros((2, 4, 4, 3)), np.zeros(2), np.array([True, False]), np.arange(2))
    assert as_batch(batch, 0, 3).mask.tolist() == [True, False, False]


def test_device_arrays_are_arrays_too(arrays):
    data = tuple(map(jnp.asarray, arrays))
    assert fingerprints(run(data).state) == fingerprints(run(arrays).state)
    assert isinstance(jax.tree.leaves(run(data, num_epochs=1).state)[0], jax.Array)


def test_padding_repeats_rows_that_count_nowhere():
    images, labels = np.arange(3, dtype=np.float32)[:, None] + 1, np.arange(3) + 5
    batch = as_batch((images, labels), 8, size=7)
    np.testing.assert_array_equal(batch.image[:, 0], [1, 2, 3, 1, 2, 3, 1])
    np.testing.assert_array_equal(batch.label, [5, 6, 7, 5, 6, 7, 5])
    np.testing.assert_array_equal(batch.mask, [True] * 3 + [False] * 4)
    np.testing.assert_array_equal(batch.index, [8, 9, 10, -1, -1, -1, -1])


def test_a_list_of_two_arrays_is_a_pair_and_one_of_two_batches_is_not(arrays):
    images, labels = arrays
    assert len(open_input([images, labels], None).split) == len(labels)
    batches = [(images[:3], labels[:3]), (images[3:], labels[3:])]
    assert isinstance(open_input(batches, None), IterableInput)


def test_batches_to_evaluate_are_filled_up_to_what_the_devices_divide(arrays):
    images, labels = arrays
    found = IterableInput([(images[:3], labels[:3]), (images[3:5], labels[3:5])])
    assert len(found.shapes(0, 4).mask) == 4
    masks = [batch.mask.tolist() for batch in found.eval_batches(0, lambda batch: batch, 4)]
    assert masks == [[True, True, True, False], [True, True, False, False]]
