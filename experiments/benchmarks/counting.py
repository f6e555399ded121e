"""Count what a step costs: floating-point operations by XLA's analysis, and parameters."""

from typing import Any

import jax
import jax.numpy as jnp

from experiments.benchmarks.jax_worker import make_model, stock_loss
from experiments.benchmarks.serving import Task
from jaxcnn.ops.lowering import stock_ops
from jaxcnn.types import PyTree


def make_task(spec: dict[str, Any]) -> Task:
    """Count for each of the networks of spec["rows"], nothing being computed.

    XLA's standard operations are counted, whatever a contestant puts in their place, so that all
    are measured by one number.
    """
    with stock_ops():
        return Task({"counts": [_count(row) for row in spec["rows"]]})


def _count(row: dict[str, Any]) -> dict[str, Any]:
    model = make_model(row | {"dtype": "float32"})
    key, batch_size = jax.random.key(0), row["batch_size"]
    image = jax.ShapeDtypeStruct((batch_size, row["size_px"], row["size_px"], 3), "float32")
    variables = jax.eval_shape(lambda x: model.init(key, x, train=False), image)

    def loss(params: PyTree, rest: PyTree, x: jax.Array) -> jax.Array:
        labels = jnp.zeros(batch_size, jnp.int32)
        return stock_loss(model.apply, {**rest, "params": params}, x, labels, key)[0]

    params = variables["params"]
    if row["mode"] == "train":
        rest = {k: v for k, v in variables.items() if k != "params"}
        lowered = jax.jit(jax.grad(loss)).lower(params, rest, image)
    else:
        forward = jax.jit(lambda v, x: model.apply(v, x, train=False))
        lowered = forward.lower(variables, image)
    analysis = lowered.cost_analysis() or {}
    return {
        "flops_per_image": analysis.get("flops", 0.0) / batch_size,
        "num_parameters": sum(leaf.size for leaf in jax.tree.leaves(params)),
    }
