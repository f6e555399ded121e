"""TensorFlow checkpoints, through a stand-in for TensorFlow and, where installed, the real one."""

import importlib.machinery
import importlib.util
import sys
import types

import numpy as np
import pytest

from jaxcnn.host.extras import MissingExtraError
from jaxcnn.pretrained.formats import WeightsFileError, read_weights
from jaxcnn.pretrained.formats.errors import Budget

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


class OpError(Exception):
    def __init__(self, message):
        super().__init__(message)
        self.message = message


class Dtype:
    def __init__(self, array):
        self.size = array.dtype.itemsize
        self.is_floating = array.dtype.kind == "f"
        self.is_integer = array.dtype.kind in "iu"
        self.is_bool = array.dtype.kind == "b"


class Reader:
    def __init__(self, arrays):
        self.arrays = {key: np.asarray(value) for key, value in arrays.items()}

    def get_variable_to_shape_map(self):
        return {key: list(array.shape) for key, array in self.arrays.items()}

    def get_variable_to_dtype_map(self):
        return {key: Dtype(array) for key, array in self.arrays.items()}

    def get_tensor(self, key):
        return self.arrays[key]


class Graph:
    """Stands for the object graph's message; `names` takes the place of its bytes."""

    names = types.MappingProxyType({})

    def ParseFromString(self, data):  # noqa: N802
        attribute = types.SimpleNamespace
        listed = [attribute(checkpoint_key=k, full_name=n) for k, n in self.names.items()]
        self.nodes = [types.SimpleNamespace(attributes=listed)]


@pytest.fixture
def fake(monkeypatch):
    """Put a stand-in for TensorFlow in place, whose checkpoints hold what the test gives."""

    def put(arrays, names=None):
        def load_checkpoint(prefix):
            fake.prefixes.append(prefix)
            if isinstance(arrays, Exception):
                raise arrays
            return Reader(arrays)

        tensorflow = types.ModuleType("tensorflow")
        tensorflow.__spec__ = importlib.machinery.ModuleSpec("tensorflow", None)
        tensorflow.train = types.SimpleNamespace(load_checkpoint=load_checkpoint)
        tensorflow.errors = types.SimpleNamespace(OpError=OpError)
        protocol = types.ModuleType("trackable_object_graph_pb2")
        graph = type("TrackableObjectGraph", (Graph,), {"names": names or {}})
        protocol.TrackableObjectGraph = graph
        monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)
        path = "tensorflow.core.protobuf.trackable_object_graph_pb2"
        for parent in ("tensorflow.core", "tensorflow.core.protobuf"):
            monkeypatch.setitem(sys.modules, parent, types.ModuleType(parent))
        monkeypatch.setitem(sys.modules, path, protocol)
        return fake

    fake = types.SimpleNamespace(put=put, prefixes=[])
    return fake


@pytest.fixture
def folder(tmp_path):
    """A SavedModel's folder with empty files."""
    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(b"")
    for name in ("variables.index", "variables.data-00000-of-00001"):
        (tmp_path / "variables" / name).write_bytes(b"")
    return tmp_path


def test_every_way_to_name_a_checkpoint_gives_its_prefix(fake, folder):
    fake.put({"a": np.zeros(2, np.float32)})
    prefix = folder / "variables" / "variables"
    for path in (folder, folder / "variables", prefix, f"{prefix}.index"):
        assert list(read_weights(path)) == ["a"]
    assert fake.prefixes == [str(prefix)] * 4


def test_variables_bear_their_own_names_and_state_is_left_out(fake, folder):
    one, two = np.ones(2, np.float32), np.full(2, 2, np.float32)
    arrays = {
        "_CHECKPOINTABLE_OBJECT_GRAPH": b"",
        f"layer/w{VALUE}": one,
        f"layer/unnamed{VALUE}": two,
        f"optimizer/_trainable_variables/0{VALUE}": two,
        f"optimizer/_variables/2{VALUE}": one,
        f"optimizer/iter{VALUE}": 3,
        f"layer/w/.OPTIMIZER_SLOT/optimizer/m{VALUE}": one,
        f"save_counter{VALUE}": 1,
        f"table{VALUE}": np.array([b"text"]),
        f"twice/0{VALUE}": one,
        f"twice/1{VALUE}": one,
        f"clash/0{VALUE}": one,
        f"clash/1{VALUE}": two,
    }
    names = {
        f"layer/w{VALUE}": "conv1/kernel",
        f"optimizer/_trainable_variables/0{VALUE}": "conv1/bias",
        f"optimizer/_variables/2{VALUE}": "adam/momentum",
        **{f"twice/{i}{VALUE}": "twice" for i in (0, 1)},
        **{f"clash/{i}{VALUE}": "clash" for i in (0, 1)},
    }
    fake.put(arrays, names)
    found = {name: array.tolist() for name, array in read_weights(folder).items()}
    assert found == {
        "conv1/kernel": [1, 1],
        "conv1/bias": [2, 2],
        "layer/unnamed": [2, 2],
        "twice": [1, 1],
        "clash": [1, 1],
        "clash/1": [2, 2],
    }


def test_slots_of_tensorflow_1_are_left_out_but_not_a_layer_called_like_one(fake, folder):
    scope = "MobilenetV1/Conv2d_0"
    names = [f"{scope}/weights", f"{scope}/weights/Adam", f"{scope}/weights/Adam_1", "net/Adam"]
    training = ["global_step", "beta1_power", "scope/beta2_power"]
    fake.put({name: np.zeros(1, np.float32) for name in names + training})
    assert list(read_weights(folder)) == [f"{scope}/weights", "net/Adam"]


def test_a_damaged_checkpoint_and_absurd_sizes_are_refused(fake, folder, monkeypatch):
    fake.put(OpError("Checksum does not match"))
    with pytest.raises(WeightsFileError, match=r"damaged .*Checksum does not match"):
        read_weights(folder)
    monkeypatch.setattr(Budget, "floor_bytes", 1000)
    fake.put({"a": np.zeros(300, np.float32)})
    with pytest.raises(WeightsFileError, match="'a' declares 1,200 bytes"):
        read_weights(folder)


def test_without_tensorflow_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingExtraError, match="pip install tensorflow"):
        read_weights(folder)


def test_a_folder_without_variables_or_with_two_checkpoints_is_refused(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(WeightsFileError, match="no TensorFlow checkpoint here"):
        read_weights(tmp_path)
    for name in ("a.index", "b.index"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(WeightsFileError, match="no TensorFlow checkpoint here"):
        read_weights(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="needs jaxcnn[tensorflow]"
)
@pytest.mark.filterwarnings("default")
def test_tensorflow_itself_writes_what_is_read(tmp_path):
    import tensorflow as tf

    model = tf.Module()
    model.kernel = tf.Variable(np.arange(6, dtype=np.float32).reshape(2, 3), name="conv1/kernel")
    model.bias = tf.Variable(tf.cast([1.5, 2.0], tf.bfloat16), name="conv1/bias")
    tf.saved_model.save(model, str(tmp_path / "saved"))
    for path in (tmp_path / "saved", tf.train.Checkpoint(model=model).save(tmp_path / "c" / "c")):
        found = read_weights(path)
        assert set(found) == {"conv1/kernel", "conv1/bias"}
        np.testing.assert_array_equal(found["conv1/kernel"], model.kernel.numpy(), strict=True)
        np.testing.assert_array_equal(found["conv1/bias"], np.array([1.5, 2], np.float32))
    index = tmp_path / "saved/variables/variables.index"
    index.write_bytes(index.read_bytes()[:100])
    with pytest.raises(WeightsFileError, match="truncated or damaged"):
        read_weights(tmp_path / "saved")
