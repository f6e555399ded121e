"""Receptive fields: which pixels of the image each pixel of a stage's feature map depends on.

They are read from the network's own program (its jaxpr), so they hold for whatever a network is
made of: through branches, shortcuts, strides and paddings of any kind.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from jaxcnn.models import StagedNetwork, stage_infos
from jaxcnn.ops.lowering import stock_ops


class Span(NamedTuple):
    """What the pixels of a feature map see along one side of the image.

    Pixel i sees [start_px + i * stride_px, start_px + i * stride_px + size_px), as far as that is
    within [first_px, end_px).
    """

    start_px: int  # of the first pixel; below 0 where padding is seen
    size_px: int
    stride_px: int
    first_px: int  # of the image, the first one that is seen by any
    end_px: int  # behind the last one that is seen by any

    def interval(self, index: int) -> tuple[int, int]:
        """Give the first px of the image that a pixel sees, and the one behind the last."""
        start = self.start_px + index * self.stride_px
        return max(start, self.first_px), min(start + self.size_px, self.end_px)

    @property
    def centre_px(self) -> float:
        """Give where the middle of the first pixel's field lies, 0.5 being the first px's own."""
        return self.start_px + self.size_px / 2


class ReceptiveField(NamedTuple):
    """What the pixels of a stage's feature map see of the image."""

    stage: str
    rows: Span
    columns: Span
    sees_all: bool  # a mean over all pixels (squeeze-and-excitation) weighs the channels, too

    @property
    def size_px(self) -> int:
        """Give the height of the field, that of its own pixels alone where a mean weighs them."""
        return self.rows.size_px


class _Seen(NamedTuple):
    """What an array on the way depends on."""

    spans: tuple[Span, Span] | None  # along H and W; None once its pixels are summed up
    sees_all: bool = False


class UnknownOperationError(ValueError):
    """A network's program has a part that receptive fields cannot be read from."""

    def __init__(self, why: str) -> None:
        super().__init__(f"receptive fields: {why}")


def receptive_fields(
    model: StagedNetwork, image_shape: tuple[int, int, int]
) -> tuple[ReceptiveField, ...]:
    """Compute the receptive field of each stage that gives a feature map.

    Args:
      model: a network.
      image_shape: (H, W, C) of the images; the fields reach beyond small ones, into the padding.

    Returns:
      A field a stage, the first stage first.

    Raises:
      UnknownOperationError: if the network has an operation on images that this does not know, or
        JAX writes its programs in another way.

    Example:
      >>> from jaxcnn.models import create_model
      >>> for field in receptive_fields(create_model("vgg16", 10), (224, 224, 3)):
      ...     print(field.stage, field.size_px, field.rows.stride_px)
      stage_1 6 2
      stage_2 16 4
      stage_3 44 8
      stage_4 100 16
      stage_5 212 32

    Source: Araujo, Norris & Sim 2019, "Computing receptive fields of convolutional neural
    networks", Distill, whose recurrence this applies to each operation.
    """
    # Without BatchNorm and this package's own kernels the program is shorter, and lax's alone.
    network = model.clone(features_only=True, folded_batch_norm=True, dtype=jnp.float32)

    def run(images: jax.Array) -> Any:
        return network.init_with_output(jax.random.key(0), images, train=False)[0]

    with stock_ops():
        images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
        program, shapes = jax.make_jaxpr(run, return_shape=True)(images)
    height, width = image_shape[:2]
    whole = _Seen((Span(0, 1, 1, 0, height), Span(0, 1, 1, 0, width)))
    try:
        seen = _run(program.jaxpr, [whole])
    except (AttributeError, KeyError, TypeError) as error:  # names in JAX's programs may change
        raise UnknownOperationError(
            f"JAX {jax.__version__} writes programs in a way that is not "
            f"known here ({type(error).__name__}: {error})."
        ) from error
    by_stage = jax.tree.unflatten(jax.tree.structure(shapes), seen)
    fields = []
    for info in stage_infos(model, image_shape):
        rows, columns = by_stage[info.name].spans
        fields.append(ReceptiveField(info.name, rows, columns, by_stage[info.name].sees_all))
    return tuple(fields)


def _run(program: core.Jaxpr, arguments: Sequence[_Seen | None]) -> list[Any]:
    """Follow what each array depends on through a program; None is nothing of the image."""
    known: dict[Any, _Seen | None] = dict(zip(program.invars, arguments, strict=True))

    def look_up(variable: Any) -> _Seen | None:
        return None if isinstance(variable, core.Literal) else known.get(variable)

    for step in program.eqns:
        inputs = [look_up(variable) for variable in step.invars]
        if all(seen is None for seen in inputs):
            continue
        inner = step.params.get("jaxpr", step.params.get("call_jaxpr"))
        if inner is not None:
            outputs = _run(getattr(inner, "jaxpr", inner), inputs)
        else:
            outputs = [_step(step, inputs)] * len(step.outvars)
        known.update(zip(step.outvars, outputs, strict=True))
    return [look_up(variable) for variable in program.outvars]


def _step(step: Any, inputs: list[_Seen | None]) -> _Seen:
    """Apply one operation, of which some operands depend on the image."""
    name, seen = step.primitive.name, _union([x for x in inputs if x is not None])
    if seen.spans is None:
        return seen  # no pixels are left to move
    if name.startswith("reduce_") and not name.startswith("reduce_window"):
        over = set(step.params["axes"]) & {1, 2}
        if len(over) == 1:
            raise UnknownOperationError("a sum over one side of an image is not known here.")
        return _Seen(None, sees_all=True) if over else seen
    if name in _WINDOWS:
        windows, sizes = _WINDOWS[name](step), step.outvars[0].aval.shape[1:3]
        rows, columns = (
            _slide(span, *window, count=size)
            for span, window, size in zip(seen.spans, windows, sizes, strict=True)
        )
        return seen._replace(spans=(rows, columns))
    if name not in _PIXELWISE and not _moves_channels_alone(step):
        raise UnknownOperationError(f"the operation {name!r} on images is not known here.")
    return seen


def _moves_channels_alone(step: Any) -> bool:
    """Tell whether an operation arranges the numbers of each pixel, and leaves pixels in place."""
    name, given = step.primitive.name, step.params
    if name == "broadcast_in_dim":  # such as the mean of a pixel's channels, for each of them
        return given["broadcast_dimensions"][:3] == (0, 1, 2)
    if name == "stack":
        return given["axis"] >= 3
    shapes = [variable.aval.shape[:3] for variable in (step.invars[0], step.outvars[0])]
    return name == "reshape" and shapes[0] == shapes[1]


def _union(all_seen: list[_Seen]) -> _Seen:
    """Merge what operands see, of the same pixels."""
    sees_all = any(x.sees_all for x in all_seen)
    spatial = [x.spans for x in all_seen if x.spans is not None]
    if not spatial:
        return _Seen(None, sees_all)
    rows, columns = zip(*spatial, strict=True)
    return _Seen((_hull(rows), _hull(columns)), sees_all)


def _hull(spans: Sequence[Span]) -> Span:
    (stride,) = {span.stride_px for span in spans}
    start = min(span.start_px for span in spans)
    end = max(span.start_px + span.size_px for span in spans)
    first, last = min(span.first_px for span in spans), max(span.end_px for span in spans)
    return Span(start, end - start, stride, first, last)


def _slide(span: Span, size: int, stride: int, before: int, *, count: int) -> Span:
    """Let windows of `size` pixels, `before` of padding first, slide over a span."""
    start = span.start_px - before * span.stride_px
    reach, step = span.size_px + (size - 1) * span.stride_px, span.stride_px * stride
    end = start + (count - 1) * step + reach
    return Span(start, reach, step, max(span.first_px, start), min(span.end_px, end))


_Windows = list[tuple[int, int, int]]  # size, stride and padding before, along H and W


def _convolution(step: Any) -> _Windows:
    given = step.params
    dimensions = given["dimension_numbers"]
    if dimensions.lhs_spec != (0, 3, 1, 2) or set(given["lhs_dilation"]) != {1}:
        raise UnknownOperationError("images must be NHWC and convolutions not transposed.")
    kernel = [step.invars[1].aval.shape[axis] for axis in dimensions.rhs_spec[2:]]
    sizes = [(k - 1) * d + 1 for k, d in zip(kernel, given["rhs_dilation"], strict=True)]
    before = [pair[0] for pair in given["padding"]]
    return list(zip(sizes, given["window_strides"], before, strict=True))


def _pooling(step: Any) -> _Windows:
    given = step.params
    before = [pair[0] for pair in given["padding"]]
    each = zip(given["window_dimensions"], given["window_strides"], before, strict=True)
    return list(each)[1:3]


def _slicing(step: Any) -> _Windows:
    starts, strides = step.params["start_indices"], step.params["strides"] or (1, 1, 1, 1)
    return [(1, strides[axis], -starts[axis]) for axis in (1, 2)]


def _padding(step: Any) -> _Windows:
    return [(1, 1, step.params["padding_config"][axis][0]) for axis in (1, 2)]


_WINDOWS: Mapping[str, Callable[[Any], _Windows]] = {
    "conv_general_dilated": _convolution,
    "reduce_window_max": _pooling,
    "reduce_window_sum": _pooling,
    "slice": _slicing,
    "pad": _padding,
}
# What gives each pixel from the same pixel of its operands, and nothing else.
_PIXELWISE = {
    *("abs", "add", "concatenate", "convert_element_type", "copy", "div", "eq", "erf", "erfc"),
    *(
        "exp",
        "expm1",
        "ge",
        "gt",
        "integer_pow",
        "le",
        "log1p",
        "logistic",
        "lt",
        "max",
        "min",
        "mul",
    ),
    *("name", "ne", "neg", "pow", "rsqrt", "select_n", "sign", "sqrt", "square", "sub", "tanh"),
}


def interpolation_weights(span: Span, num_pixels: int, side_px: int) -> np.ndarray:
    """Weigh a feature map's pixels for each px of the image, linearly between fields' middles.

    Args:
      span: what the pixels see along one side of the image.
      num_pixels: of the feature map, along that side.
      side_px: of the image.

    Returns:
      (side_px, num_pixels) float32, rows that sum to 1; beyond the outermost middles those hold.

    Example:
      >>> interpolation_weights(Span(0, 2, 2, 0, 4), 2, 4).tolist()
      [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    place = (np.arange(side_px) + 0.5 - span.centre_px) / span.stride_px
    place = np.clip(place, 0, num_pixels - 1)[:, None]
    return np.maximum(1 - np.abs(place - np.arange(num_pixels)), 0).astype(np.float32)
