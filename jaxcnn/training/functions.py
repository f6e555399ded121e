"""Networks and losses of any origin, as steps take them: Linen modules and pairs of functions."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax

from jaxcnn import losses
from jaxcnn.host.names import unknown_name
from jaxcnn.losses import LossFn
from jaxcnn.types import PyTree

LOSSES = {"softmax_cross_entropy": "softmax", "sigmoid_cross_entropy": "sigmoid"}
"""Losses by name, and the kind of head that each is for."""


class FunctionNetwork:
    """A network made of two pure functions, with the methods of a Flax module.

    Parameters and state may be any trees of arrays. Here they are dicts of dicts, the outer one by
    the first part of each array's path, so that `frozen` can name parts of a network.

    Args:
      init: (key, images, train) to (params, state), as Haiku's `transform_with_state` gives; called
        with train=True, for Haiku makes some of the state in training alone.
      apply: (params, state, key, images, train) to (logits, state); the key is None in evaluation.
      images: the shape and dtype of its input.
    """

    head = None  # of an unknown kind

    def __init__(
        self, init: Callable[..., Any], apply: Callable[..., Any], images: jax.ShapeDtypeStruct
    ) -> None:
        self._init, self._apply = init, apply
        key = jax.eval_shape(lambda: jax.random.key(0))
        found = jax.eval_shape(lambda key, images: init(key, images, True), key, images)
        if not isinstance(found, tuple) or len(found) != 2:
            raise ValueError(
                "init must give (params, state), the state {} where there is none; got "
                f"{type(found).__name__}."
            )
        self._trees = tuple(map(jax.tree.structure, found))
        self._paths = tuple(_paths(tree) for tree in found)

    def init(self, key: jax.Array, images: jax.Array, *, train: bool = False) -> PyTree:
        """Make the first variables."""
        params, state = (
            self._to_dict(tree, i) for i, tree in enumerate(self._init(key, images, True))
        )
        return {"params": params, "batch_stats": state}

    def apply(
        self,
        variables: PyTree,
        images: jax.Array,
        *,
        train: bool,
        mutable: Any = (),
        rngs: Mapping[str, jax.Array] | None = None,
    ) -> Any:
        """Compute logits, and the new state where it may change."""
        params, state = (
            self._from_dict(variables[name], i) for i, name in enumerate(("params", "batch_stats"))
        )
        key = (rngs or {}).get("dropout")
        logits, state = self._apply(params, state, key, images, train)
        return (logits, {"batch_stats": self._to_dict(state, 1)}) if mutable else logits

    def _to_dict(self, tree: PyTree, which: int) -> PyTree:
        found: dict[str, dict[str, Any]] = {}
        for (first, rest), leaf in zip(self._paths[which], jax.tree.leaves(tree), strict=True):
            found.setdefault(first, {})[rest] = leaf
        return found

    def _from_dict(self, tree: PyTree, which: int) -> PyTree:
        leaves = [tree[first][rest] for first, rest in self._paths[which]]
        return jax.tree.unflatten(self._trees[which], leaves)


def _paths(tree: PyTree) -> list[tuple[str, str]]:
    """Name each leaf by the first part of its path and the rest of it."""
    paths = []
    for path, _ in jax.tree.leaves_with_path(tree):
        first, *rest = (jax.tree_util.keystr((key,), simple=True).replace("/", ".") for key in path)
        paths.append((first, ".".join(rest) or "value"))
    return paths


class WithHead:
    """A network of another library, and the kind of its output.

    Args:
      network: with the methods `init` and `apply` of a Flax module.
      head: "softmax", "sigmoid", or None where it classifies nothing.
    """

    def __init__(self, network: Any, head: str | None) -> None:
        self._network, self.head = network, head

    def __getattr__(self, name: str) -> Any:
        """Give what the network has."""
        return getattr(self._network, name)


def as_network(model: Any, images: jax.ShapeDtypeStruct, loss: Any) -> tuple[Any, LossFn]:
    """Make what `fit` takes as model and loss into what steps take.

    Args:
      model: a Linen module, or a pair of functions, see `fit`.
      images: the shape and dtype of its input.
      loss: the name of a loss, a function, or None for that of the network's head.

    Returns:
      The network, with the methods of a Flax module and a `head`; and the loss function.

    Raises:
      ValueError: if the model is neither, or the loss is unknown or does not fit the network.
    """
    network = model
    if isinstance(model, tuple) and len(model) == 2 and all(map(callable, model)):
        network = FunctionNetwork(*model, images)
    elif not isinstance(model, nn.Module):
        raise ValueError(
            "model must be a Flax Linen module, or a pair of functions (init, apply) as README.md "
            f"shows for Haiku, Equinox and NNX; got {type(model).__name__}."
        )
    elif not inspect.signature(type(model).__call__).parameters.keys() & {"train", "kwargs"}:
        raise ValueError(
            f"model must be called as model(images, train=...); {type(model).__name__}.__call__ "
            "has no argument train. Add one, even where training and evaluation are alike."
        )
    logits = jax.eval_shape(lambda x: _first_logits(network, x), images)
    head = getattr(network, "head", None)
    if loss is not None and not callable(loss):
        if loss not in LOSSES:
            raise unknown_name("loss", loss, LOSSES)
        if head not in (None, LOSSES[loss]):
            raise ValueError(f"loss={loss} does not fit the network's head, which is {head}.")
        head = LOSSES[loss]
    if head is None and logits.ndim == 2 and logits.shape[1] > 1:
        head = "softmax"
    network = network if head == getattr(network, "head", None) else WithHead(network, head)
    if callable(loss):
        return network, loss
    if head is None:
        raise ValueError(
            f"the network gives {logits.shape[1:]} numbers for an image, which no loss is known "
            "for; give loss=(logits, label) -> one loss per example."
        )
    num_classes = logits.shape[1] if head == "softmax" else 2
    return network, losses.make_loss(head, num_classes=num_classes)


def _first_logits(network: Any, images: jax.Array) -> jax.Array:
    variables = network.init(jax.random.key(0), images, train=False)
    if isinstance(network, nn.Module) and (others := variables.keys() - {"params", "batch_stats"}):
        raise ValueError(
            f"the network has the collections {', '.join(sorted(others))} beside params and "
            "batch_stats; give a pair of functions (init, apply) that puts them into its state."
        )
    return network.apply(variables, images, train=False)
