import jax
import jax.numpy as jnp
import numpy as np
import pytest
from network_trials import (
    dropouts_of,
    learn_by_heart,
    logits_of,
    random_images,
    random_variables,
    shapes_of,
)
from safetensors.numpy import save_file

from jaxcnn.models import create_model, logits_and_vectors, split_at_head, stage_infos
from jaxcnn.models.squeezenet import SqueezeNet
from jaxcnn.pretrained import load
from jaxcnn.pretrained.mapping import source_shapes
from jaxcnn.pretrained.names import names_of
from jaxcnn.runs.config import make_config
from jaxcnn.runs.config.presets import preset_of_weights
from jaxcnn.runs.transfer import find_start


@pytest.mark.parametrize(
    ("version", "widths"), [("1_0", (96, 256, 512, 512)), ("1_1", (64, 128, 256, 512))]
)
def test_stages(version, widths):
    infos = stage_infos(SqueezeNet(num_classes=2, version=version), (64, 70, 1))
    names = ("stem", "stage_1", "stage_2", "stage_3")
    assert infos == tuple(zip(names, (2, 4, 8, 16), widths, strict=True))


def test_a_batch_is_learnt_by_heart():
    model = SqueezeNet(num_classes=3, dropout_rate=0.0)
    images, labels = random_images(3, 24, 32, 3), jnp.arange(3)
    losses, _, _ = learn_by_heart(model, images, labels, learning_rate=0.005, num_steps=40)
    assert losses[0] > 0.5
    assert losses[-1] < 0.2


def test_the_published_head_takes_the_mean_of_rectified_maps():
    model, images = SqueezeNet(num_classes=4, class_maps=True), random_images(2, 32, 40, 3)
    variables = random_variables(model, images)
    features = model.clone(features_only=True).apply(variables, images, train=False)["stage_3"]
    linear = jax.device_get(variables["params"]["head"]["linear"])
    maps = np.maximum(np.asarray(features) @ linear["kernel"] + linear["bias"], 0)
    found = logits_of(model, variables, images)
    np.testing.assert_allclose(found, maps.mean(axis=(1, 2)), rtol=1e-4, atol=1e-5)
    of_mean = logits_of(model.clone(class_maps=False), variables, images)
    assert np.abs(found - of_mean).max() > 0.01


def test_vectors_are_the_same_under_both_heads_and_only_one_is_linear_in_them():
    model, images = SqueezeNet(num_classes=4), random_images(2, 32, 40, 3)
    variables = random_variables(model, images)
    published = model.clone(class_maps=True)
    expected = model.clone(num_classes=0).apply(variables, images, train=False)
    assert expected.shape == (2, 512)
    for network in (model, published):
        logits, vectors = logits_and_vectors(network, variables, images)
        np.testing.assert_allclose(vectors, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(
            logits, network.apply(variables, images, train=False), rtol=1e-5, atol=1e-6
        )
    _, head = split_at_head(model)
    np.testing.assert_allclose(
        head.apply(variables, expected, train=False), logits_of(model, variables, images), rtol=1e-4
    )
    with pytest.raises(ValueError, match=r"SqueezeNet sees a map of features.*class_maps=False"):
        split_at_head(published)


def test_a_new_last_layer_needs_no_class_maps(tmp_path):
    names = names_of("squeezenet1_1")["torchvision"]
    model = create_model("squeezenet1_1", 3)
    variables = random_variables(model, jnp.zeros((1, 32, 32, 3)))
    arrays = {
        name: np.zeros(shape, np.float32) for name, shape in source_shapes(variables, names).items()
    }
    assert arrays["classifier.1.weight"].shape == (3, 512, 1, 1)
    path = tmp_path / "mine.safetensors"
    save_file(arrays, path)
    found = load(path, model="squeezenet1_1")
    assert found.options == {"class_maps": True}
    settings = make_config(
        dataset="folder", data_dir="photos", model="squeezenet1_1", weights=str(path)
    )
    assert "class_maps" not in find_start(settings).preset["model_options"]
    assert preset_of_weights(found)["model_options"] == "class_maps=True"


def test_dropout_stands_before_the_head():
    assert dropouts_of(create_model("squeezenet1_0", 2), jnp.zeros((1, 32, 32, 3))) == {
        "head/dropout": 0.5
    }


def test_unknown_version():
    with pytest.raises(ValueError, match=r"unknown version '1\.2'"):
        SqueezeNet(num_classes=2, version="1.2")


def test_images_too_small():
    assert shapes_of(create_model("squeezenet1_0", 2), jnp.zeros((1, 21, 21, 3)))
    with pytest.raises(ValueError, match=r"20x64 images are too small for SqueezeNet: .* 21 px"):
        shapes_of(create_model("squeezenet1_0", 2), jnp.zeros((1, 20, 64, 3)))
