"""PyTorch files: every published form gives the same arrays, and nothing in a file is run."""

import io
import logging
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from jaxcnn.pretrained.formats import WeightsFileError, read_weights
from jaxcnn.pretrained.formats.errors import Budget
from jaxcnn.pretrained.formats.torch_stand_ins import Ignored

SHARED = Path(os.environ.get("JAXCNN_SHARED", Path(__file__).parents[3] / ".." / "shared"))
RESNETS = SHARED / "data/weights/resnet_cifar10_akamaster"


def assert_same(found, expected):
    assert set(found) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, strict=True, err_msg=name)


@pytest.mark.parametrize("name", ["zip.pth", "zip_protocol4.pth", "legacy.th"])
def test_each_format_gives_the_arrays_that_were_saved(fixtures, name):
    with np.load(fixtures / "expected_torch.npz") as expected:
        assert_same(read_weights(fixtures / name), {f"module.{k}": a for k, a in expected.items()})


def test_arrays_are_the_callers_own(fixtures):
    found = read_weights(fixtures / "zip.pth")
    before = found["module.transposed"].copy()
    found["module.shared_row"][:] = 9  # saved as a view of what "transposed" views
    np.testing.assert_array_equal(found["module.transposed"], before)
    assert all(array.flags.c_contiguous for array in found.values())


def swapped(data, item_bytes):
    return np.frombuffer(data, f"<u{item_bytes}").byteswap().tobytes()


def test_big_endian_files_are_read(tmp_path):
    values = {"<f4": np.array([1.5, -2], "f4"), "<i8": np.array([2**40], "i8")}
    for code, array in values.items():
        kind = {"<f4": "FloatStorage", "<i8": "LongStorage"}[code]
        path = write_zip(
            tmp_path / "a.pth",
            tensors(storage(kind, array.size), (array.size,), (1,)),
            swapped(array.tobytes(), array.itemsize),
            byteorder=b"big",
        )
        np.testing.assert_array_equal(read_weights(path)["w"], array, strict=True)


@pytest.mark.parametrize(("depth", "count"), [(20, 97), (32, 157)])
def test_published_resnets_are_read(depth, count):
    files = sorted(RESNETS.glob(f"resnet{depth}-*.th"))
    if not files:
        pytest.skip(f"no published files in {RESNETS}; set JAXCNN_SHARED")
    found = read_weights(files[0])
    assert len(found) == count
    assert found["module.conv1.weight"].shape == (16, 3, 3, 3)
    assert found["module.linear.weight"].shape == (10, 64)
    assert min(found["module.bn1.running_var"]) > 0


# Hand-written pickles. GLOBAL is b"c<module>\n<name>\n"; a tuple is b"(" ... b"t".


def text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def integer(value):
    data = pickle.encode_long(value)
    return b"\x8a" + bytes([len(data)]) + data


def integers(values):
    return b"(" + b"".join(map(integer, values)) + b"t"


def storage(kind, numel, key="0", module="torch"):
    named = text("storage") + f"c{module}\n{kind}\n".encode() + text(key) + text("cpu")
    return b"(" + named + integer(numel) + b"tQ"


def tensor(stored, shape, strides, offset=0):
    make = b"ctorch._utils\n_rebuild_tensor_v2\n("
    hooks = b"\x89ccollections\nOrderedDict\n)R"
    return make + stored + integer(offset) + integers(shape) + integers(strides) + hooks + b"tR"


def tensors(stored, shape, strides, offset=0):
    return b"\x80\x02}" + text("w") + tensor(stored, shape, strides, offset) + b"s."


def write_zip(path, pickled, data=b"\0" * 16, byteorder=b"little", compression=0):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", byteorder)
        archive.writestr("archive/data/0", data)
    return path


def write_legacy(path, pickled, data=b"\0" * 16):
    head = [pickle.dumps(v, 2) for v in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    keys = pickle.dumps(["0"], 2)
    path.write_bytes(b"".join([*head, pickled, keys, struct.pack("<q", len(data) // 4), data]))
    return path


WRITERS = {"zip": write_zip, "legacy": write_legacy}
COMMAND = "touch ran"
POISONS = {
    "posix.system": b"\x80\x02cposix\nsystem\n(" + text(COMMAND) + b"tR.",
    "builtins.eval": b"\x80\x02cbuiltins\neval\n(" + text("open('ran', 'w')") + b"tR.",
    "builtins.getattr": b"\x80\x02cbuiltins\ngetattr\n(ctorch._utils\nos\n"
    + text("system")
    + b"tR.",
    "torch._utils.os.system": (
        b"\x80\x04" + text("torch._utils") + text("os.system") + b"\x93(" + text(COMMAND) + b"tR."
    ),
    "collections.OrderedDict.__init__.__globals__": (
        b"\x80\x04" + text("collections") + text("OrderedDict.__init__.__globals__") + b"\x93."
    ),
    "subprocess.Popen": b"(isubprocess\nPopen\n.",
    "os.system": b"cos\nsystem\n(S'touch ran'\ntR.",
    "torch.nn.modules.linear.Linear": b"\x80\x02ctorch.nn.modules.linear\nLinear\n)\x81.",
    "types.SimpleNamespace": b"\x80\x02}" + text("args") + b"ctypes\nSimpleNamespace\n)\x81}bs.",
}


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("asked", POISONS)
def test_what_could_run_commands_is_named_and_not_run(tmp_path, monkeypatch, form, asked):
    monkeypatch.chdir(tmp_path)
    path = WRITERS[form](tmp_path / "a.pth", POISONS[asked])
    with pytest.raises(WeightsFileError) as error:
        read_weights(path)
    assert not Path("ran").exists()
    assert f"asks for {asked}, which could run commands" in str(error.value)
    assert "nothing of the file was run" in str(error.value)


def test_the_poison_would_run_where_it_is_not_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickle.loads(POISONS["posix.system"])
    assert Path("ran").exists()


def test_a_poison_after_good_tensors_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    good = tensors(storage("FloatStorage", 4), (4,), (1,))
    path = write_zip(tmp_path / "a.pth", good[:-1] + b"0" + POISONS["posix.system"][2:])
    with pytest.raises(WeightsFileError, match=r"posix\.system"):
        read_weights(path)
    assert not Path("ran").exists()


@pytest.mark.parametrize("name", ["whole_module.pth", "script.pt"])
def test_whole_models_are_refused_with_advice(fixtures, name):
    with pytest.raises(WeightsFileError, match=r"state_dict\(\)"):
        read_weights(fixtures / name)


STAND_INS_CHANGED = {
    "a function": b"ctorch._utils\n_rebuild_tensor_v2\n}" + text("make") + b"K\x01sb",
    "its slots": b"ctorch\nSize\n(N}" + text("make") + b"K\x01stb",
    "a storage type": b"ctorch\nFloatStorage\n}" + text("code") + text("f8") + b"sb",
    "a storage": storage("FloatStorage", 4) + b"}" + text("numel") + b"K\x63sb",
    "a tensor": tensor(storage("FloatStorage", 4), (4,), (1,)) + b"}" + text("offset") + b"K\x63sb",
}
CLASS_CHANGED = {
    "by its state": b"cargparse\nNamespace\n}" + text("__setstate__") + b"Nsb",
    "by its slots": b"cargparse\nNamespace\n(N}" + text("__setstate__") + b"Nstb",
    "by an item": b"cargparse\nNamespace\n" + text("__setstate__") + b"Ns",
}


@pytest.mark.parametrize("how", CLASS_CHANGED)
def test_a_pickle_cannot_change_the_class_of_what_is_dropped(tmp_path, how):
    before = dict(vars(Ignored))
    path = write_zip(tmp_path / "a.pth", b"\x80\x02" + CLASS_CHANGED[how] + b".")
    with pytest.raises(WeightsFileError, match="truncated or damaged"):
        read_weights(path)
    assert dict(vars(Ignored)) == before


# What training programs leave beside the weights: NEWOBJ or REDUCE, then items or attributes.
LEFT_BY_PROGRAMS = {
    "argparse": b"cargparse\nNamespace\n)\x81}" + text("lr") + b"K\x01sb",
    "fastai": b"cfastcore.foundation\nL\n)\x81}" + text("items") + b"]sb",
    "Lightning": b"clightning.fabric.utilities.data\nAttributeDict\n)\x81(" + text("a") + b"K\x01u",
    "a path": b"cpathlib\nPosixPath\n(" + text("a") + text("b") + b"tR",
    "milestones": b"ccollections\nCounter\n}K\x05K\x01s\x85R",
    "an array": (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85"
        b"c_codecs\nencode\n(" + text("b") + text("latin1") + b"tRtR(K\x01tb"
    ),
}


@pytest.mark.parametrize("program", LEFT_BY_PROGRAMS)
def test_what_training_programs_leave_beside_the_weights_is_dropped(tmp_path, program):
    left, weights = LEFT_BY_PROGRAMS[program], nested({"a": True})
    pickled = b"\x80\x02}" + text("left") + left + b"s" + text("model") + weights + b"s."
    assert list(read_weights(write_zip(tmp_path / "a.pth", pickled))) == ["a"]


@pytest.mark.parametrize("what", STAND_INS_CHANGED)
def test_a_pickle_cannot_change_the_stand_ins(tmp_path, what):
    path = write_zip(tmp_path / "a.pth", b"\x80\x02" + STAND_INS_CHANGED[what] + b".")
    with pytest.raises(WeightsFileError, match="tries to change"):
        read_weights(path)


FLOATS = storage("FloatStorage", 4)
MALFORMED = {
    "beyond the end": (tensors(FLOATS, (5,), (1,)), "reaches element 4 of a storage of 4"),
    "offset beyond": (tensors(FLOATS, (2,), (1,), 3), "reaches element 4"),
    "stride beyond": (tensors(FLOATS, (2, 2), (3, 1)), "reaches element 4"),
    "scalar beyond": (tensors(FLOATS, (), (), 4), "reaches element 4"),
    "overflowing stride": (tensors(FLOATS, (2,), (2**63,)), "reaches element"),
    "negative offset": (tensors(FLOATS, (2,), (1,), -1), "has offset, shape and strides"),
    "negative stride": (tensors(FLOATS, (2,), (-1,), 3), "has offset, shape and strides"),
    "negative size": (tensors(FLOATS, (-2,), (1,)), "has offset, shape and strides"),
    "ranks differ": (tensors(FLOATS, (2, 2), (1,)), r"shape \(2, 2\), strides \(1,\)"),
    "rank 40": (tensors(FLOATS, (1,) * 40, (1,) * 40), "shape"),
    "more than there is": (tensors(storage("FloatStorage", 5), (5,), (1,)), "16 bytes for 5"),
    "less than there is": (tensors(storage("FloatStorage", 3), (3,), (1,)), "16 bytes for 3"),
    "wrong item size": (tensors(storage("DoubleStorage", 4), (4,), (1,)), "16 bytes for 4"),
    "negative storage": (tensors(storage("FloatStorage", -4), (0,), (1,)), "16 bytes for -4"),
    "no such storage": (tensors(storage("FloatStorage", 4, "../7"), (4,), (1,)), "no member"),
    "expanded too far": (tensors(FLOATS, (2**40,), (0,)), "declares 4,398,046,511,104 bytes"),
    "id is no tuple": (b"\x80\x02" + text("0") + b"Q.", "unexpected name of a storage"),
    "id of another kind": (b"\x80\x02(" + text("module") + b"NNtQ.", "unexpected name"),
    "view is odd": (b"\x80\x02" + FLOATS[:-2] + b"K\x01tQ.", "unexpected view"),
    "no storage": (tensors(b"N", (4,), (1,)), "storage is a NoneType"),
    "negated": (
        tensors(FLOATS, (4,), (1,)).replace(b")RtR", b")R}" + text("neg") + b"\x88stR"),
        "has metadata {'neg': True}",
    ),
    "shape is text": (
        tensors(FLOATS, (), ()).replace(integer(0) + b"(t", integer(0) + text("ab")),
        "no tuples",
    ),
    "huge memo place": (b"\x80\x02Nr" + struct.pack("<I", 2**32 - 1) + b".", "memo place"),
    "deep nesting": (b"\x80\x02N" + b"\x85" * 100_000 + b".", "nests deeper"),
    "long bytes": (b"\x80\x04\x8e" + struct.pack("<Q", 2**50) + b"a.", "truncated or damaged"),
    "odd escape": (b"\x80\x02S'\\S'\n.", "truncated or damaged"),  # a warning by Python
    "set": (b"\x80\x04\x8f.", "pickle instruction EMPTY_SET"),
    "extension": (b"\x80\x02\x82\x01.", "pickle instruction EXT1"),
    "no tensors": (b"\x80\x02}" + text("epoch") + b"K\x03s.", "a mapping with the keys 'epoch'"),
    "only a tensor": (b"\x80\x02" + tensor(FLOATS, (4,), (1,)) + b".", "but a Tensor"),
    "endless": (b"\x80\x02}q\x00" + text("a") + b"h\x00s.", "no mapping of names to tensors"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_file_is_refused(tmp_path, what):
    pickled, message = MALFORMED[what]
    with pytest.raises(WeightsFileError, match=message):
        read_weights(write_zip(tmp_path / "a.pth", pickled))


def test_the_same_tensor_is_read_where_it_is_within_bounds(tmp_path):
    data = np.arange(4, dtype=np.float32)
    pickled = tensors(FLOATS, (2, 2), (2, 1))
    for form, write in WRITERS.items():
        found = read_weights(
            write(tmp_path / form, pickled.replace(FLOATS, legacy(form)), data.tobytes())
        )
        np.testing.assert_array_equal(found["w"], data.reshape(2, 2), strict=True)


def legacy(form):
    return FLOATS[:-2] + b"NtQ" if form == "legacy" else FLOATS


def test_a_legacy_view_of_a_storage_starts_at_its_offset(tmp_path):
    view = FLOATS[:-2] + b"(" + text("1") + integer(1) + integer(2) + b"ttQ"
    data = np.arange(4, dtype=np.float32).tobytes()
    path = write_legacy(tmp_path / "a.th", tensors(view, (2,), (1,)), data)
    np.testing.assert_array_equal(read_weights(path)["w"], np.array([1, 2], np.float32))
    outside = write_legacy(tmp_path / "b.th", tensors(view, (3,), (1,)), data)
    with pytest.raises(WeightsFileError, match="reaches element 2 of a storage of 2"):
        read_weights(outside)


def nested(content):
    """A pickle of mappings in which True stands for a tensor of four zeros."""
    if content is True:
        return tensor(FLOATS, (4,), (1,))
    if not isinstance(content, dict):
        return integer(content)
    return b"}" + b"".join(text(k) + nested(v) + b"s" for k, v in content.items())


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ({"a": True, "b": True}, ["a", "b"]),
        ({"a": True, "step": 3}, ["a"]),
        ({"state_dict": {"a": True}, "epoch": 1}, ["a"]),
        ({"model": {"a": True}, "model_ema": {"b": True}}, ["b"]),
        ({"state_dict": {"a": True}, "ema_state_dict": {"b": True}}, ["b"]),
        ({"params": {"a": True}, "params_ema": {"b": True}}, ["b"]),
        ({"state_dict": {"a": True}, "ema": {"decay": 1}}, ["a"]),
        ({"network": {"a": True}, "discriminator": {"b": True}}, ["a"]),
        ({"state_dict_ema": {"a": True}, "epoch": 1}, ["a"]),
        ({"state_dict": {"model": {"a": True}}}, ["a"]),
        ({"optimizer": {"o": True}, "model_state_dict": {"a": True}}, ["a"]),
        ({"weights": {"a": True}, "epoch": 1}, ["a"]),
    ],
)
def test_the_state_dict_is_found(tmp_path, content, names):
    path = write_zip(tmp_path / "a.pth", b"\x80\x02" + nested(content) + b".")
    assert list(read_weights(path)) == names


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            {"model": {"a": True}, "model_ema": {"b": True}},
            ["entry 'model_ema', not 'model' (weights_key chooses)"],
        ),
        ({"state_dict_ema": {"a": True}, "epoch": 1}, ["entry 'state_dict_ema'"]),
        ({"state_dict": {"a": True}, "optimizer": {"o": True}}, []),
    ],
)
def test_which_of_several_state_dicts_was_taken_is_told(tmp_path, caplog, content, told):
    caplog.set_level(logging.INFO)
    read_weights(write_zip(tmp_path / "a.pth", b"\x80\x02" + nested(content) + b"."))
    assert [line.partition("its ")[2] for line in caplog.messages] == told


def test_two_state_dicts_of_unknown_names_are_not_chosen_from(tmp_path):
    content = {"student": {"a": True}, "teacher": {"a": True}}
    path = write_zip(tmp_path / "a.pth", b"\x80\x02" + nested(content) + b".")
    with pytest.raises(
        WeightsFileError, match="several entries hold tensors: 'student', 'teacher'"
    ):
        read_weights(path)


CHECKPOINT = {
    "state_dict": {"net.a": True, "ema.b": True},
    "callbacks": {"ema": {"c": True}},
    "model": {"params": {"d": True}, "ema": {"e": True}},
    "optimizer": {"state": {"o": True}},
}


@pytest.mark.parametrize(
    ("key", "names"),
    [("state_dict", ["net.a", "ema.b"]), ("params", ["d"]), ("callbacks/ema", ["c"])],
)
def test_an_entry_is_taken_by_its_key(tmp_path, key, names):
    path = write_zip(tmp_path / "a.pth", b"\x80\x02" + nested(CHECKPOINT) + b".")
    assert list(read_weights(path, key=key)) == names


def test_tensors_of_one_mapping_are_taken_by_what_stands_before_their_names(tmp_path):
    content = {"state_dict": {"ema.a": True, "model.b": True}, "step": 3}
    path = write_zip(tmp_path / "a.pth", b"\x80\x02" + nested(content) + b".")
    assert list(read_weights(path, key="ema")) == ["a"]


@pytest.mark.parametrize(
    ("content", "key", "message"),
    [
        (CHECKPOINT, "ema", "may be callbacks/ema or model/ema; give one of these in full"),
        (CHECKPOINT, "state_dic", r"a\.pth 'state_dic'; known, nearest first: state_dict, .*state"),
        ({"ema.a": True, "model.a": True}, "swa", "'swa'; known, nearest first: ema, model"),
    ],
)
def test_a_key_that_is_not_there_is_answered_with_those_that_are(tmp_path, content, key, message):
    path = write_zip(tmp_path / "a.pth", b"\x80\x02" + nested(content) + b".")
    with pytest.raises(WeightsFileError, match=message) as caught:
        read_weights(path, key=key)
    assert "damaged" not in str(caught.value)


def test_compressed_members_are_refused(tmp_path):
    path = write_zip(tmp_path / "a.pth", tensors(FLOATS, (4,), (1,)), compression=8)
    with pytest.raises(WeightsFileError, match="compressed, which PyTorch never does"):
        read_weights(path)


def test_members_that_declare_too_much_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Budget, "floor_bytes", 0)
    monkeypatch.setattr(Budget, "per_file_byte", 0)
    path = write_zip(tmp_path / "a.pth", tensors(FLOATS, (4,), (1,)))
    with pytest.raises(WeightsFileError, match="made to fill memory"):
        read_weights(path)


def test_a_tar_file_is_told_from_others(tmp_path):
    import tarfile

    with tarfile.open(tmp_path / "a.pth", "w") as archive:
        archive.addfile(tarfile.TarInfo("storages"), io.BytesIO(b""))
    with pytest.raises(WeightsFileError, match="a tar archive"):
        read_weights(tmp_path / "a.pth")


@pytest.mark.parametrize("levels", [40, 400])
@pytest.mark.parametrize("form", list(WRITERS))
def test_shared_values_that_expand_without_end_are_refused(tmp_path, form, levels):
    # A dict whose key is a tuple of a tuple twice, of a tuple twice, ...: hashing it never ends.
    pickled = b"\x80\x02}(" + b")" + b"2\x86" * levels + b"Nu."
    path = WRITERS[form](tmp_path / "bomb.pth", pickled)
    with pytest.raises(WeightsFileError, match="expands to more than"):
        read_weights(path)
