"""Count what a step costs: floating-point operations by XLA's analysis, and parameters."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from experiments.benchmarks.serving import Task, only_facts
from jaxcnn.models import create_model
from jaxcnn.ops.lowering import stock_ops


def make_task(spec: dict[str, Any]) -> Task:
    """Count for each of the networks of spec["rows"], nothing being computed.

    XLA's standard operations are counted, whatever a contestant puts in their place, so that all
    are measured by one number.
    """
    with stock_ops():
        return only_facts({"counts": [_count(row) for row in spec["rows"]]})


def _count(row: dict[str, Any]) -> dict[str, Any]:
    model = create_model(row["network"], row["num_classes"], **row["options"])
    image = jax.ShapeDtypeStruct((row["batch_size"], row["size_px"], row["size_px"], 3), "float32")
    variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), image)
    forward = jax.jit(lambda v, x: model.apply(v, x, train=False))

    def loss(params: Any, rest: Any, x: jax.Array) -> jax.Array:
        logits, _ = model.apply(
            {**rest, "params": params},
            x,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(0)},
        )
        label = jnp.zeros(x.shape[0], jnp.int32)
        return optax.softmax_cross_entropy_with_integer_labels(logits, label).mean()

    if row["mode"] == "train":
        rest = {k: v for k, v in variables.items() if k != "params"}
        lowered = jax.jit(jax.grad(loss)).lower(variables["params"], rest, image)
    else:
        lowered = forward.lower(variables, image)
    analysis = lowered.cost_analysis() or {}
    return {
        "flops_per_image": analysis.get("flops", 0.0) / row["batch_size"],
        "num_parameters": sum(leaf.size for leaf in jax.tree.leaves(variables["params"])),
    }
