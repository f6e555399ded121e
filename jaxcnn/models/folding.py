"""Make BatchNorm part of the convolution before it, for evaluation: a layer less, the same answers.

BatchNorm with its averages is a factor and a shift for each channel, and a convolution is linear:

    scale * (conv(x) + bias - mean) / sqrt(var + epsilon) + shift
        = conv'(x) + (bias - mean) * factor + shift,   factor = scale / sqrt(var + epsilon),

conv' having its kernels times factor. Where BatchNorm follows no convolution, as in DenseNet,
factor and shift remain: a multiplication and an addition for each number.
"""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxcnn.models.staged import StagedNetwork
from jaxcnn.types import Array, PyTree

_CONV, _BN = "conv", "bn"  # the names in `layers.ConvBlock`


def fold_batch_norm(model: StagedNetwork, variables: PyTree) -> tuple[StagedNetwork, PyTree]:
    """Fold every BatchNorm into the convolution before it, or into a factor and a shift.

    Args:
      model: a network; one that is folded already, or has no BatchNorm, comes back as good as new.
      variables: its {"params": ..., "batch_stats": ...}.

    Returns:
      The network without BatchNorm, and its variables. In evaluation they give the logits of the
      originals, up to rounding: to about 1e-5 of them in float32. They are not for training, which
      would go another way without BatchNorm.

    Raises:
      ValueError: if the averages of a BatchNorm are missing.

    Example:
      >>> from jaxcnn.models import create_model
      >>> model = create_model("six_conv", 2, depth=1, batch_norm=True)
      >>> variables = model.init(jax.random.key(0), np.zeros((1, 8, 8, 3), "f"), train=False)
      >>> folded, variables = fold_batch_norm(model, variables)
      >>> sorted(variables["params"]["block_1"]["conv"]), variables["batch_stats"]
      (['bias', 'kernel'], {})

    Source: Jacob et al. 2017, arXiv:1712.05877, section 3.2 and equation 14.
    """

    def fold(params: PyTree, stats: PyTree) -> PyTree:
        return _fold(params, stats, epsilon=model.bn_epsilon, place="")

    given = (variables["params"], variables.get("batch_stats", {}))
    if all(_is_at_hand(leaf) for leaf in jax.tree.leaves(given)):
        # By numpy, since to compile it takes longer than all of it.
        params = jax.device_put(fold(*jax.device_get(given)))
    else:
        params = jax.jit(fold)(*given)
    return model.clone(folded_batch_norm=True), {"params": params, "batch_stats": {}}


def _is_at_hand(leaf: Any) -> bool:
    """Tell whether this process holds all of an array."""
    if isinstance(leaf, jax.Array):
        return not isinstance(leaf, jax.core.Tracer) and leaf.is_fully_addressable
    return isinstance(leaf, np.ndarray)


def _fold(params: Any, stats: Any, *, epsilon: float, place: str) -> Any:
    """Fold what lies at one place of the tree, and below."""
    if not isinstance(params, Mapping):
        return params
    if _CONV in params and _BN in params:
        if _BN not in stats:
            raise ValueError(f"batch_stats hold no averages of {place}{_BN}; give the network's.")
        folded = fold_convolution(params[_CONV], params[_BN], stats[_BN], epsilon=epsilon)
        return {**{k: v for k, v in params.items() if k != _BN}, _CONV: folded}
    if {"mean", "var"} <= set(stats):  # of a BatchNorm that follows no convolution
        factor, shift = _affine(params, stats, epsilon=epsilon)
        return {"scale": factor, "bias": shift}
    return {
        name: _fold(part, stats.get(name, {}), epsilon=epsilon, place=f"{place}{name}/")
        for name, part in params.items()
    }


def fold_convolution(
    conv: Mapping[str, Array],
    bn: Mapping[str, Array],
    averages: Mapping[str, Array],
    *,
    epsilon: float,
) -> dict[str, Array]:
    """Fold one BatchNorm into the convolution before it.

    Args:
      conv: "kernel", (..., C), and "bias", (C,), or none.
      bn: "scale" and "bias", (C,); 1 and 0 where there are none.
      averages: "mean" and "var", (C,).
      epsilon: added to the variance.

    Returns:
      "kernel" and "bias" of the convolution that does both.
    """
    factor, shift = _affine(bn, averages, epsilon=epsilon)
    kernel = conv["kernel"] * factor.reshape((1,) * (conv["kernel"].ndim - 1) + (-1,))
    return {"kernel": kernel, "bias": conv.get("bias", 0.0) * factor + shift}


def _affine(
    bn: Mapping[str, Array], averages: Mapping[str, Array], *, epsilon: float
) -> tuple[Array, Array]:
    """Give the factor and the shift of each channel that BatchNorm amounts to, (C,) each."""
    factor = bn.get("scale", 1.0) / (averages["var"] + epsilon) ** 0.5
    return factor, bn.get("bias", 0.0) - averages["mean"] * factor
