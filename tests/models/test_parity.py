"""Every network gives the logits of its reference implementation, with weights drawn from names.

The rows in `references/` were made by the scripts beside them, which run the references themselves.
"""

import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from seeded_weights import names_digest, seeded_array, seeded_images

from jaxcnn.models import create_model, list_models
from jaxcnn.pretrained import mapping
from jaxcnn.pretrained.names import names_of

ROWS = [
    row
    for path in sorted((Path(__file__).parent / "references").glob("*.json"))
    for row in json.loads(path.read_text())
]


def params(rows):
    return [
        pytest.param(
            row,
            id=f"{row['model']}-{row['origin']}",
            marks=[pytest.mark.slow] if row["slow"] else [],
        )
        for row in rows
    ]


def build(row):
    names = names_of(row["model"])[row["origin"]]
    options = {**names.options, **names.head_options, **row["options"]}
    model = create_model(row["model"], row["num_classes"], **options)
    images = jax.ShapeDtypeStruct((2, *row["image_shape"]), jnp.float32)
    shapes = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)
    shapes = {"params": shapes["params"], "batch_stats": shapes.get("batch_stats", {})}
    return model, names, shapes


def seeded_variables(row, names, shapes):
    layout = "torch" if names.layout == "torch" else "tensorflow"
    arrays = {
        name: seeded_array(name, shape, layout=layout, gains=row["gains"])
        for name, shape in mapping.source_shapes(shapes, names).items()
    }
    return mapping.fill(shapes, names, arrays)


@pytest.mark.parametrize("row", params(ROWS))
def test_arrays_and_parameters_are_the_references(row):
    _, names, shapes = build(row)
    assert names_digest(mapping.source_shapes(shapes, names)) == row["names_sha256"]
    leaves, _ = jax.tree_util.tree_flatten_with_path(shapes["params"])
    if names.without_scale:  # Keras's Inception v3, where ours has ones
        leaves = [(path, leaf) for path, leaf in leaves if path[-1].key != "scale"]
    count = sum(math.prod(leaf.shape) for _, leaf in leaves)
    assert count == row["num_parameters"]


@pytest.mark.parametrize("row", params(ROWS))
def test_logits_are_the_references(row):
    model, names, shapes = build(row)
    variables = seeded_variables(row, names, shapes)
    images = seeded_images((2, *row["image_shape"]))
    logits = jax.jit(lambda v, x: model.apply(v, x, train=False))(variables, images)
    assert 0.5 < row["max_abs_logit"] < 50  # natural, so that 1e-4 says something
    np.testing.assert_allclose(
        np.asarray(logits)[:, row["classes"]], row["logits"], rtol=0, atol=1e-4
    )


def test_every_network_of_the_registry_has_a_reference():
    own = {"six_conv", "lenet5"}  # the article's, and a paper's with no published weights
    assert {row["model"] for row in ROWS} == set(list_models()) - own


def test_every_reference_was_compared_at_native_size_too():
    results = Path(__file__).parents[2] / "experiments" / "benchmarks" / "results" / "parity.json"
    compared = {(r["network"], r["reference"]) for r in json.loads(results.read_text())["rows"]}
    assert compared == {(row["model"], row["origin"]) for row in ROWS}  # by compare_native.py
