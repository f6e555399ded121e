"""A checkpoint gives back what was saved, or says why not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.host.files import disk_trouble
from jaxcnn.training.checkpoints import CheckpointError, CheckpointStore, fingerprints

# Noise does not compress, so the largest file of a checkpoint holds the arrays.
NOISE = np.random.default_rng(0).normal(size=(100, 100)).astype(np.float32)
NOISE[0, 0] = 0


def make_state(value=0.0):
    return {
        "params": {"kernel": jnp.asarray(NOISE + np.float32(value)), "bias": jnp.arange(4.0)},
        "half": jnp.ones(3, jnp.bfloat16),
        "step": jnp.int32(7),
        "empty": {},
    }


@pytest.fixture
def store(tmp_path, said):
    opened = CheckpointStore(tmp_path / "checkpoints", max_to_keep=3)
    yield opened
    opened.close()


def flip_a_byte(folder, *, inside):
    """Change one byte in the largest file below a folder."""
    file = max(
        (p for p in (folder / inside).rglob("*") if p.is_file()), key=lambda p: p.stat().st_size
    )
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0x10
    file.write_bytes(data)


def test_restore_gives_the_same_bits_and_metadata(store):
    state = make_state(np.float32(1) / 3)
    store.save(5, state, {"progress": {"loss": 0.1 + 0.2}})
    found = store.restore(state)
    assert found.step == 5
    assert fingerprints(found.state) == fingerprints(state)
    assert found.metadata == {"progress": {"loss": 0.1 + 0.2}}


def test_an_empty_folder_restores_nothing(store):
    assert store.restore(make_state()) is None
    with pytest.raises(CheckpointError, match="no checkpoint"):
        store.metadata()


def test_the_newest_are_kept(store):
    for step in (1, 2, 3, 4):
        store.save(step, make_state(step), {})
    assert store.steps() == [2, 3, 4]
    assert float(store.restore(make_state()).state["params"]["kernel"][0, 0]) == 4


def test_saving_a_step_again_replaces_it(store):
    store.save(1, make_state(1.0), {"n": 1})
    store.save(1, make_state(2.0), {"n": 2})
    assert float(store.restore(make_state()).state["params"]["kernel"][0, 0]) == 2
    assert store.metadata() == {"n": 2}


def test_a_host_scalar_is_saved_and_restored(store):
    state = {"count": np.int32(3)}
    store.save(1, state, {})
    assert int(store.restore({"count": jnp.int32(0)}).state["count"]) == 3


@pytest.mark.parametrize("inside", ["state", "manifest"])
def test_a_flipped_byte_falls_back_and_says_so(store, said, inside):
    store.save(1, make_state(1.0), {"n": 1})
    store.save(2, make_state(2.0), {"n": 2})
    flip_a_byte(store.directory / "2", inside=inside)
    found = store.restore(make_state())
    assert found.step == 1
    assert float(found.state["params"]["kernel"][0, 0]) == 1
    assert len(said) == 1
    assert "checkpoint 2 is damaged" in said[0]
    assert [p.name for p in (store.directory / "damaged").iterdir()] == ["2-0"]  # nothing is lost
    store.save(2, make_state(3.0), {})  # its place is free again
    assert store.restore(make_state()).step == 2


def test_a_manifest_that_still_reads_but_was_changed_falls_back(store):
    store.save(1, make_state(1.0), {"accuracy": 0.5})
    store.save(2, make_state(2.0), {"accuracy": 0.5})
    changed = 0
    for file in (store.directory / "2" / "manifest").iterdir():
        data = file.read_bytes()
        file.write_bytes(data.replace(b'"accuracy": 0.5', b'"accuracy": 0.9'))
        changed += file.read_bytes() != data
    assert changed
    with pytest.raises(CheckpointError, match="checksum of its manifest"):
        store.metadata(2)
    assert store.restore(make_state()).step == 1


def test_a_second_damaged_save_of_a_step_is_put_beside_the_first(store):
    store.save(1, make_state(1.0), {})
    for _ in range(2):
        store.save(2, make_state(2.0), {})
        flip_a_byte(store.directory / "2", inside="state")
        assert store.restore(make_state()).step == 1
    assert sorted(p.name for p in (store.directory / "damaged").iterdir()) == ["2-0", "2-1"]


def test_every_checkpoint_damaged_is_an_error(store):
    store.save(1, make_state(1.0), {})
    flip_a_byte(store.directory / "1", inside="state")
    with pytest.raises(CheckpointError, match=r"every checkpoint .* is damaged"):
        store.restore(make_state())


def tree(folder):
    return {p: p.is_file() and p.read_bytes() for p in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("damaged", [[], [2], [1, 2]])
def test_a_reader_changes_nothing(store, said, damaged):
    for step in (1, 2):
        store.save(step, make_state(float(step)), {})
    for step in damaged:
        flip_a_byte(store.directory / str(step), inside="state")
    (store.directory / "3.orbax-checkpoint-tmp-7").mkdir()  # being written by a run
    before = tree(store.directory)
    reader = CheckpointStore(store.directory, read_only=True)
    if len(damaged) == 2:
        with pytest.raises(CheckpointError, match=r"damaged \(1, 2\)\. Copy the run again"):
            reader.restore(make_state())
    else:
        assert reader.restore(make_state()).step == 2 - len(damaged)
    reader.close()
    assert len(said) == len(damaged)
    assert tree(store.directory) == before


def test_a_damaged_step_asked_for_by_number_is_an_error_and_stays(store):
    store.save(1, make_state(1.0), {})
    store.save(2, make_state(2.0), {})
    flip_a_byte(store.directory / "2", inside="state")
    with pytest.raises(CheckpointError, match="checkpoint 2"):
        store.restore(make_state(), step=2)
    assert store.steps() == [1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["params"].update(kernel=jnp.zeros((100, 5))), r"expected \(\[100, 5\]"),
        (lambda s: s["params"].pop("bias"), "left over"),
        (lambda s: s.update(extra=jnp.zeros(2)), "missing"),
        (lambda s: s.update(step=jnp.float32(0)), "float32"),
    ],
    ids=["shape", "left over", "missing", "dtype"],
)
def test_another_structure_is_refused_by_name(store, change, message):
    store.save(1, make_state(), {})
    target = make_state()
    change(target)
    with pytest.raises(CheckpointError, match=message):
        store.restore(target)
    assert store.steps() == [1]  # it is good; only the question was wrong


def test_shapes_alone_are_enough_to_restore(store):
    store.save(1, make_state(4.0), {})
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), make_state())
    assert float(store.restore(shapes).state["params"]["kernel"][0, 0]) == 4.0


def test_a_full_disk_leaves_the_step_before_and_no_commentary(tmp_path, capfd):
    resource = pytest.importorskip("resource")
    store, (_, most) = CheckpointStore(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = np.random.default_rng(0).random(100_000, np.float32)
    store.save(1, {"w": np.zeros(3, np.float32)}, {})
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, most))
    try:
        with pytest.raises(Exception, match=r"File too large|EFBIG|OS error") as failure:
            store.save(2, {"w": noise}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert disk_trouble(failure.value) == "file too large"
    assert capfd.readouterr() == ("", "")
    store = CheckpointStore(tmp_path)
    assert store.steps() == [1]
    store.save(2, {"w": noise}, {})
    np.testing.assert_array_equal(store.restore({"w": noise}).state["w"], noise)


def test_a_step_whose_replacement_is_cut_short_is_not_lost(tmp_path, monkeypatch):
    store, state = CheckpointStore(tmp_path), {"w": np.ones(3, np.float32)}
    store.save(1, state, {"which": "first"})
    with monkeypatch.context() as patch:
        patch.setattr(store._manager, "save", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.save(1, state, {"which": "second"})
    store = CheckpointStore(tmp_path)
    assert store.restore(state).metadata == {"which": "first"}
    store.save(1, state, {"which": "third"})
    assert CheckpointStore(tmp_path).restore(state).metadata == {"which": "third"}
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_a_folder_in_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="file is a file"):
        CheckpointStore(tmp_path / "file" / "last")
