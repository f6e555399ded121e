"""Meshes are read from text, and the rules say what lies where."""

import jax
import numpy as np
import pytest

from jaxcnn.training.sharding import Layout, fetch, parse_mesh


@pytest.mark.parametrize(
    ("text", "devices", "batch_size", "sizes"),
    [
        ("auto", 1, 32, (1, 1)),
        ("auto", 8, 32, (8, 1)),
        ("auto", 8, 20, (5, 1)),
        ("auto", 3, 32, (2, 1)),
        ("auto", 8, 0, (8, 1)),
        ("data:2", 8, 32, (2, 1)),
        ("fsdp:4", 8, 32, (2, 4)),
        (" data:2 , fsdp:3", 8, 32, (2, 3)),
    ],
)
def test_axes_are_read(text, devices, batch_size, sizes):
    found = parse_mesh(text, devices, batch_size=batch_size)
    assert (found["data"], found["fsdp"]) == sizes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model:2", "mesh=model:2: unknown axis 'model'; known, nearest first: "),
        ("data", "mesh must be auto or axes with sizes"),
        ("data:0", "mesh must be auto or axes with sizes"),
        ("data:2,data:2", "each once"),
        ("", "mesh=: unknown axis ''"),
        ("data:4,fsdp:4", "needs 16 devices, there are 8; lower a size, or use mesh=auto"),
    ],
)
def test_mistakes_are_told(text, message):
    with pytest.raises(ValueError, match=message):
        parse_mesh(text, 8)


def test_a_layout_of_one_device_leaves_values_as_they_are():
    layout = Layout.make("auto", batch_size=7)
    assert layout.is_single
    assert layout.round_up(7) == 7
    tree = {"w": np.arange(6.0, dtype=np.float32)}
    for put in (layout.put_state, layout.put_batch):
        np.testing.assert_array_equal(fetch(put(tree))["w"], tree["w"])
    key = jax.random.key(3)
    assert jax.random.key_data(layout.put_key(key)).tolist() == jax.random.key_data(key).tolist()
    step = object()
    assert layout.gathered(step) is step
