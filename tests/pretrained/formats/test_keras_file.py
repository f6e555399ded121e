"""Keras files: one naming for every kind of file, and nothing read from outside the file."""

import json
import os
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from jaxcnn.pretrained.formats import WeightsFileError, keras_file, read_weights
from jaxcnn.pretrained.formats.errors import Budget, reading
from jaxcnn.pretrained.unlisted import half_precision

SHARED = Path(os.environ.get("JAXCNN_SHARED", Path(__file__).parents[3] / ".." / "shared"))
MOBILENET = SHARED / "data/weights/mobilenet_v1_0.25_224_keras/mobilenet_v1_0.25_224.h5"


@pytest.fixture
def read():
    """The reader in this process: quicker, and a test can change its limits."""

    def call(path):
        with reading(path, "Keras"):
            return keras_file.read_in_this_process(path)

    return call


@pytest.mark.parametrize("name", ["net.h5", "net.weights.h5", "net.keras"])
def test_every_kind_of_file_gives_the_same_names_and_arrays(fixtures, name):
    found = read_weights(fixtures / name)
    with np.load(fixtures / "expected_keras.npz") as expected:
        assert set(found) == set(expected)
        for key, array in expected.items():
            np.testing.assert_array_equal(found[key], array, strict=True, err_msg=key)


def test_a_published_file_of_keras_2_is_read():
    if not MOBILENET.is_file():
        pytest.skip(f"no {MOBILENET}; set JAXCNN_SHARED")
    found = read_weights(MOBILENET)
    assert len(found) == 137
    assert sum(array.size for array in found.values()) == 475_544
    assert found["conv1/kernel"].shape == (3, 3, 3, 8)
    assert found["conv_dw_1/depthwise_kernel"].shape == (3, 3, 8, 1)
    assert found["conv_dw_1_bn/moving_variance"].min() > 0


def legacy(path, weights, root=""):
    """A file in the layout before Keras 3, of {layer: [stored names]}, values counted from 0."""
    with h5py.File(path, "w") as file:
        group = file.create_group(root) if root else file
        layers = [name for name in weights if name != "top_level_model_weights"]
        group.attrs["layer_names"] = [name.encode() for name in layers]
        values = iter(range(100))
        for layer, names in weights.items():
            inner = group.create_group(layer)
            inner.attrs["weight_names"] = [name.encode() for name in names]
            for name in names:
                inner[name] = np.full(2, next(values), np.float32)
    return path


@pytest.mark.parametrize(
    ("layer", "stored", "name"),
    [
        ("conv1", "conv1/kernel:0", "conv1/kernel"),
        ("conv1", "conv1_3/kernel:0", "conv1/kernel"),
        ("conv1", "net/conv1/kernel", "conv1/kernel"),
        ("conv1", "conv1_W:0", "conv1/W"),
        ("block", "inner/kernel:0", "block/inner/kernel"),
        ("block", "block/inner/kernel:0", "block/inner/kernel"),
        ("top_level_model_weights", "scale:0", "scale"),
    ],
)
@pytest.mark.parametrize("root", ["", "model_weights"])
def test_names_of_the_old_layout(tmp_path, read, layer, stored, name, root):
    found = read(legacy(tmp_path / "a.h5", {"relu": [], layer: [stored]}, root))
    assert list(found) == [name]


def test_lists_of_names_in_several_attributes_are_joined(tmp_path, read):
    path = legacy(tmp_path / "a.h5", {"a": ["a/k:0"], "b": ["b/k:0"]})
    with h5py.File(path, "r+") as file:
        del file.attrs["layer_names"]
        file.attrs["layer_names0"] = [b"a"]
        file.attrs["layer_names1"] = ["b"]
    assert list(read(path)) == ["a/k", "b/k"]


def numbered(stream, layers, labels=None):
    """A Keras 3 weights file of {path of group: shapes}."""
    with h5py.File(stream, "w") as file:
        for group, shapes in layers.items():
            variables = file.create_group(f"{group}/vars")
            if labels and group in labels:
                variables.attrs["name"] = labels[group]
            for number, shape in enumerate(shapes):
                variables[str(number)] = np.full(shape, number, np.float32)
    return stream


VECTOR, KERNEL = (4,), (3, 3, 2, 4)


@pytest.mark.parametrize(
    ("group", "shapes", "label", "names"),
    [
        ("layers/conv2d_1", [KERNEL, VECTOR], None, ["conv2d_1/kernel", "conv2d_1/bias"]),
        ("layers/conv2d_1", [KERNEL], "stem", ["stem/kernel"]),
        ("_layer_checkpoint_dependencies/dense", [(2, 3)], None, ["dense/kernel"]),
        ("layers/batch_normalization", [VECTOR] * 3, "bn", ["bn/0", "bn/1", "bn/2"]),
        ("layers/prelu_like", [VECTOR] * 2, "own", ["own/0", "own/1"]),
        ("layers/own", [VECTOR] * 11, None, [f"own/{i}" for i in range(11)]),
        ("layers/functional/layers/conv2d", [KERNEL], "c", ["functional/c/kernel"]),
        ("stem/conv2d", [KERNEL], None, ["stem/conv2d/kernel"]),
        (
            "layers/separable_conv2d",
            [KERNEL, KERNEL],
            "s",
            ["s/depthwise_kernel", "s/pointwise_kernel"],
        ),
    ],
)
def test_names_of_numbered_variables(tmp_path, read, group, shapes, label, names):
    labels = {group: label} if label else None
    layers = {group: shapes, "optimizer": [()], "layers/dropout/seed_generator": [(2,)]}
    found = read(numbered(tmp_path / "a.h5", layers, labels))
    assert list(found) == names
    for number, array in enumerate(found.values()):
        np.testing.assert_array_equal(array, np.full(shapes[number], number, np.float32))


def test_parts_of_one_name_are_called_by_their_groups(tmp_path, read):
    groups = {"own/left": [VECTOR], "own/right": [VECTOR]}
    path = numbered(tmp_path / "a.h5", groups, dict.fromkeys(groups, "dense"))
    assert list(read(path)) == ["own/left/0", "own/right/0"]


def keras_archive(path, layers, groups):
    config = {"class_name": "Functional", "config": {"name": "net", "layers": layers}}
    weights = numbered(path.with_suffix(".tmp"), groups)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.write(weights, "model.weights.h5")
    return path


def layer(class_name, name, **settings):
    return {"class_name": class_name, "config": {"name": name, **settings}}


def test_the_configuration_names_layers_by_their_order(tmp_path, read):
    layers = [
        layer("InputLayer", "in"),
        layer("Conv2D", "first", use_bias=True),
        layer("Conv2D", "second", use_bias=False),
        layer("BatchNormalization", "bn", scale=False, center=True),
        layer("Custom", "own"),
    ]
    groups = {
        "layers/conv2d": [KERNEL, VECTOR],
        "layers/conv2d_1": [KERNEL],
        "layers/batch_normalization": [VECTOR] * 3,
        "layers/custom": [VECTOR],
    }
    assert list(read(keras_archive(tmp_path / "a.keras", layers, groups))) == [
        *("first/kernel", "first/bias", "second/kernel"),
        *("bn/beta", "bn/moving_mean", "bn/moving_variance", "own/0"),
    ]


def test_bfloat16_is_widened(tmp_path, read):
    values = np.array([1.5, -2], np.float32)
    with h5py.File(numbered(tmp_path / "a.h5", {"layers/own": []}), "r+") as file:
        bits = (values.view(np.uint32) >> 16).astype("<u2").view("V2")
        file["layers/own/vars/0"] = bits
        file["layers/own/vars/0"].attrs["dtype"] = "bfloat16"
    np.testing.assert_array_equal(read(tmp_path / "a.h5")["own/0"], values, strict=True)


def test_float16_keeps_its_type_by_which_it_is_told(tmp_path, read):
    values = np.array([[1.5, -2]], np.float16)
    with h5py.File(numbered(tmp_path / "a.h5", {"layers/own": []}), "r+") as file:
        file["layers/own/vars/0"] = values
    found = read(tmp_path / "a.h5")
    np.testing.assert_array_equal(found["own/0"], values, strict=True)
    assert half_precision(found) == "float16"


@pytest.fixture
def secret(tmp_path):
    """A file that a weights file must not give away."""
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["key"] = np.arange(4.0)
    (tmp_path / "secret.bin").write_bytes(b"\1" * 64)
    return tmp_path


def external_link(variables, folder):
    variables["0"] = h5py.ExternalLink(str(folder / "secret.h5"), "/key")


def external_data(variables, folder):
    variables.create_dataset("0", (4,), "f4", external=[(str(folder / "secret.bin"), 0, 16)])


def virtual_data(variables, folder):
    layout = h5py.VirtualLayout((4,), "f8")
    layout[:] = h5py.VirtualSource(str(folder / "secret.h5"), "key", (4,))
    variables.create_virtual_dataset("0", layout)


def objects(variables, folder):
    variables.create_dataset("0", data=["a", "b"], dtype=h5py.string_dtype())


def references(variables, folder):
    variables.create_dataset("0", data=variables.ref, dtype=h5py.ref_dtype)


def too_large(variables, folder):
    variables.create_dataset("0", (2**40,), "f4", chunks=(2**20,), compression="gzip")


def circle(variables, folder):
    variables["0"] = np.zeros(2)
    variables.parent["again"] = variables.parent.parent


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (external_link, "links to the file '.*secret.h5'"),
        (external_data, "lies in another file; refused"),
        (virtual_data, "lies in another file; refused"),
        (objects, "has dtype object; expected numbers"),
        (references, "has dtype object; expected numbers"),
        (too_large, "declares 4,398,046,511,104 bytes"),
        (circle, "nest deeper than 32"),
    ],
)
def test_what_is_no_plain_array_of_this_file_is_refused(secret, add, message):
    path = numbered(secret / "a.h5", {"layers/own": []})
    with h5py.File(path, "r+") as file:
        add(file["layers/own/vars"], secret)
    with pytest.raises(WeightsFileError, match=message):
        read_weights(path)


def test_an_external_link_in_the_old_layout_is_refused(secret):
    path = legacy(secret / "a.h5", {"a": ["a/k:0"]})
    with h5py.File(path, "r+") as file:
        del file["a/a"]
        file["a/a"] = h5py.ExternalLink(str(secret / "secret.h5"), "/")
    with pytest.raises(WeightsFileError, match="links to the file"):
        read_weights(path)


def test_soft_links_are_passed_over(tmp_path, read):
    path = numbered(tmp_path / "a.h5", {"layers/own": [VECTOR]})
    with h5py.File(path, "r+") as file:
        file["layers/alias"] = h5py.SoftLink("/layers/own")
    assert list(read(path)) == ["own/0"]


@pytest.mark.parametrize("groups", [{}, {"layers/dropout": []}])
def test_a_file_without_weights_is_refused(tmp_path, read, groups):
    with pytest.raises(WeightsFileError, match="without Keras weights; its groups are"):
        read(numbered(tmp_path / "a.h5", groups))


def test_an_archive_without_weights_or_with_a_broken_configuration_is_refused(tmp_path, read):
    for name, config in (("a", "{"), ("b", "[" * 100_000), ("c", "{}")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("config.json", config)
        with pytest.raises(WeightsFileError, match="truncated or damaged"):
            read(tmp_path / name)


def test_an_archive_that_unpacks_to_absurd_sizes_is_refused(tmp_path, read, monkeypatch):
    monkeypatch.setattr(Budget, "floor_bytes", 1000)
    path = tmp_path / "a.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", b"\0" * 10**6)
    with pytest.raises(WeightsFileError, match=r"'model\.weights\.h5' declares 1,000,000 bytes"):
        read(path)
