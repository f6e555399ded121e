"""What a network is made of: its layers, their output shapes, parameters and arithmetic."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.host.text import in_columns


class LayerRow(NamedTuple):
    """One call of one layer."""

    name: str  # path in the parameter tree, e.g. "block_1/conv"
    kind: str  # the module's class, e.g. "Conv"
    output_shape: tuple[int, ...]  # of one image, without the batch axis
    num_params: int  # trainable parameters of the layer itself; 0 where it shares an earlier one's
    flops: int  # of one image, forward


class Summary(NamedTuple):
    """All layers in the order of their calls, and their totals."""

    rows: tuple[LayerRow, ...]
    num_params: int  # trainable parameters
    num_state: int  # numbers stored but not trained, such as BatchNorm's averages
    flops: int  # of one image, forward

    def _repr_html_(self) -> str:
        """Show the layers in a notebook."""
        from jaxcnn.host.html import table  # only notebooks ask

        rows: list[tuple[object, ...]] = [
            (row.name, row.kind, " x ".join(map(str, row.output_shape)), row.num_params, row.flops)
            for row in self.rows
        ]
        rows.append(("in all", "", "", self.num_params, self.flops))
        return table(["layer", "kind", "output", "parameters", "FLOPs"], rows)


def summarize(model: nn.Module, image_shape: tuple[int, int, int]) -> Summary:
    """Count a network's layers, parameters and floating point operations; computes no image.

    A multiply-add counts as two operations. With K numbers in a layer's kernel, a convolution makes
    2 * H' * W' * K of them (K = kernel height * kernel width * input channels / groups * output
    channels), padding included, and a dense layer 2 * K. Biases, normalisation, activations and
    pooling are not counted; they come to a few percent.

    Args:
      model: called as `model(images, train=False)`.
      image_shape: (H, W, C) of one image.

    Returns:
      One row for each innermost layer, and the totals.

    Raises:
      ValueError: if `image_shape` is not three whole numbers above 0, or the network refuses such
        images.

    Example:
      >>> from jaxcnn.models.lenet5 import LeNet5
      >>> summary = summarize(LeNet5(num_classes=10), (32, 32, 1))
      >>> summary.rows[0]
      LayerRow(name='c1', kind='Conv', output_shape=(28, 28, 6), num_params=156, flops=235200)
    """
    if len(image_shape) != 3 or min(image_shape) < 1:
        raise ValueError(
            f"image_shape (={image_shape!r}) must be three whole numbers above 0 (H, W, C)."
        )
    rows: list[LayerRow] = []
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)

    def init(images: jax.Array) -> Any:
        with nn.intercept_methods(_recorder(rows)):
            return model.init(jax.random.key(0), images, train=False)

    variables = jax.eval_shape(init, images)
    num_params = _count(variables.get("params", {}))
    return Summary(
        rows=tuple(rows),
        num_params=num_params,
        num_state=_count(variables) - num_params,
        flops=sum(row.flops for row in rows),
    )


def format_summary(summary: Summary) -> str:
    """Lay a summary out as a table for the terminal.

    Args:
      summary: from `summarize`.

    Returns:
      Lines joined by newlines: a header, one line per layer, the totals.

    Example:
      >>> from jaxcnn.models.lenet5 import LeNet5
      >>> print(format_summary(summarize(LeNet5(num_classes=10), (32, 32, 1))).splitlines()[2])
      c1            Conv         28 x 28 x 6          156  235,200
    """
    header = ("layer", "kind", "output shape", "parameters", "FLOPs")
    cells = [
        (row.name, row.kind, " x ".join(map(str, row.output_shape)), row.num_params, row.flops)
        for row in summary.rows
    ]
    table = [header] + [(*cell[:3], *(f"{n:,}" for n in cell[3:])) for cell in cells]
    table.append(("total", "", "", f"{summary.num_params:,}", f"{summary.flops:,}"))
    lines = in_columns(table, left=3)
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _recorder(rows: list[LayerRow]) -> Callable[..., Any]:
    """Make an interceptor that appends a row for each call of an innermost layer."""
    inner_calls = [0]  # for each call under way, the calls of other modules inside it
    seen: set[tuple[str, ...]] = set()

    def intercept(
        call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext
    ) -> Any:
        if context.method_name != "__call__":
            return call(*args, **kwargs)
        inner_calls[-1] += 1
        inner_calls.append(0)
        output = call(*args, **kwargs)
        is_innermost = inner_calls.pop() == 0
        own = _own_params(context.module)
        if own or is_innermost:
            is_new = context.module.path not in seen
            seen.add(context.module.path)
            rows.append(_row(context.module, own, output, is_new))
        return output

    return intercept


def _own_params(module: nn.Module) -> dict[str, Any]:
    """Take the parameters of the module itself, without those of modules inside it."""
    params = module.variables.get("params", {})
    return {name: v for name, v in params.items() if hasattr(v, "shape")}


def _row(module: nn.Module, own: dict[str, Any], output: Any, is_new: bool) -> LayerRow:
    shape = tuple(output.shape[1:])
    positions = math.prod(shape[:-1])
    kernel_size = own["kernel"].size if "kernel" in own else 0
    return LayerRow(
        name="/".join(module.path),
        kind=type(module).__name__.removesuffix("Layer"),
        output_shape=shape,
        num_params=_count(own) if is_new else 0,
        flops=2 * positions * kernel_size,
    )


def _count(tree: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))
