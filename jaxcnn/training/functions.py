"""Networks and losses of any origin, as steps take them: Linen modules and pairs of functions."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn import losses
from jaxcnn.host.names import unknown_name
from jaxcnn.losses import LossFn
from jaxcnn.metrics.metric import GatheredMetric, Metric
from jaxcnn.metrics.registry import DEFAULT_METRICS, get_metric, parse_metrics
from jaxcnn.models import head_of
from jaxcnn.types import PyTree

LOSSES = {
    "softmax_cross_entropy": "softmax",
    "sigmoid_cross_entropy": "sigmoid",
    "multi_label_cross_entropy": "multi_label",
}
"""Losses by name, and the kind of head that each is for."""


class FunctionNetwork:
    """A network made of two pure functions, with the methods of a Flax module.

    Parameters and state may be any trees of arrays. Here they are dicts of dicts, the outer one by
    the first part of each array's path, so that `frozen` can name parts of a network.

    Args:
      init: (key, images, train) to (params, state), as Haiku's transform_with_state gives; called
        with train=True, for Haiku makes some of the state in training alone.
      apply: (params, state, key, images, train) to (logits, state); the key is None in evaluation.
      images: the shape and dtype of its input.
    """

    head = None  # of an unknown kind

    def __init__(
        self, init: Callable[..., Any], apply: Callable[..., Any], images: jax.ShapeDtypeStruct
    ) -> None:
        _check_takes(init, "init", "key, images, train", "(params, state)")
        _check_takes(apply, "apply", "params, state, key, images, train", "(logits, state)")
        self._init, self._apply = init, apply
        key = jax.eval_shape(lambda: jax.random.key(0))
        self._impls: list[list[Any]] = []
        found = jax.eval_shape(self._first_trees, key, images)
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
        params, state = self.own_trees(variables)
        key = (rngs or {}).get("dropout")
        found = self._apply(params, state, key, images, train)
        if not isinstance(found, tuple) or len(found) != 2:
            raise ValueError(
                "apply must give (logits, state), the state {} where there is none; it gave "
                "something else."
            )
        logits, state = found
        return (logits, {"batch_stats": self._to_dict(state, 1)}) if mutable else logits

    def own_trees(self, variables: PyTree) -> tuple[PyTree, PyTree]:
        """Give (params, state) as the functions take them."""
        params, state = (
            self._from_dict(variables[name], i) for i, name in enumerate(("params", "batch_stats"))
        )
        return params, state

    def _first_trees(self, key: jax.Array, images: jax.Array) -> Any:
        found = self._init(key, images, True)
        if not isinstance(found, tuple) or len(found) != 2:
            raise ValueError(
                "init must give (params, state), the state {} where there is none; got "
                f"{type(found).__name__}."
            )
        self._impls = [[_key_impl(leaf) for leaf in jax.tree.leaves(tree)] for tree in found]
        return found

    def _to_dict(self, tree: PyTree, which: int) -> PyTree:
        found: dict[str, dict[str, Any]] = {}
        leaves = jax.tree.leaves(tree)
        for (first, rest), impl, leaf in zip(
            self._paths[which], self._impls[which], leaves, strict=True
        ):
            # Keys, such as those of NNX's dropout, are kept as numbers, which can be saved.
            found.setdefault(first, {})[rest] = jax.random.key_data(leaf) if impl else leaf
        return found

    def _from_dict(self, tree: PyTree, which: int) -> PyTree:
        leaves = [
            jax.random.wrap_key_data(tree[first][rest], impl=impl) if impl else tree[first][rest]
            for (first, rest), impl in zip(self._paths[which], self._impls[which], strict=True)
        ]
        return jax.tree.unflatten(self._trees[which], leaves)


def _check_takes(function: Callable[..., Any], name: str, arguments: str, gives: str) -> None:
    try:
        inspect.signature(function).bind(*arguments.split(", "))
    except TypeError as error:
        raise ValueError(f"{name} must be {name}({arguments}) -> {gives}; {error}.") from None
    except ValueError:
        pass  # a function that does not tell what it takes


def _key_impl(leaf: Any) -> Any:
    """Name the kind of a key array; None for other arrays."""
    is_key = jnp.issubdtype(jnp.result_type(leaf), jax.dtypes.prng_key)
    return jax.random.key_impl(leaf) if is_key else None


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
      head: a name in `jaxcnn.losses.HEADS`, or None if its outputs are not class logits.
    """

    def __init__(self, network: Any, head: str | None) -> None:
        self._network, self.head = network, head

    def __getattr__(self, name: str) -> Any:
        """Give what the network has."""
        return getattr(self._network, name)


def as_metrics(metrics: Any, *, several: bool = False) -> dict[str, Metric | GatheredMetric]:
    """Make what `fit` takes as metrics into a dict.

    Args:
      metrics: names, as text separated by commas or as a list; a dict of metrics or their names; or
        None for the accuracy.
      several: whether examples have several labels each; None then means what measures these.

    Returns:
      {name: metric}.

    Raises:
      TypeError: if one in the dict is no metric.
      ValueError: if a name is unknown, or "loss".

    Example:
      >>> list(as_metrics(["accuracy", "top5"]))
      ['accuracy', 'top5']
    """
    if metrics is None:
        return {name: get_metric(name) for name in DEFAULT_METRICS[several]}
    if isinstance(metrics, str):
        return parse_metrics(metrics)
    if not isinstance(metrics, Mapping):
        metrics = {str(name): name for name in metrics}
    metrics = {k: get_metric(m) if isinstance(m, str) else m for k, m in metrics.items()}
    for name, metric in metrics.items():
        if not isinstance(metric, (Metric, GatheredMetric)):
            raise TypeError(
                f"metrics holds {metric!r}; expected names of metrics, or a dict of yours by name: "
                "{'margin': jaxcnn.Metric(sums, value)}."
            )
        if name == "loss":
            raise ValueError('metrics must not name "loss": it is always measured.')
    return dict(metrics)


def name_of(model: Any) -> str:
    """Name a network for the log."""
    return type(model).__name__ if isinstance(model, nn.Module) else "network"


def as_network(
    model: Any, images: jax.ShapeDtypeStruct, label: Any, loss: Any
) -> tuple[Any, LossFn, jax.ShapeDtypeStruct]:
    """Make what `fit` takes as model and loss into what steps take.

    Args:
      model: a Linen module, or a pair of functions, see `fit`.
      images: the shape and dtype of its input.
      label: those of labels; with floating-point labels and your own loss, outputs stay as they are
        unless the network has a head. Whole numbers of shape (N, K) are several labels per example.
      loss: the name of a loss, a function, or None for that of the network's head.

    Returns:
      The network, with the methods of a Flax module and a `head`; the loss function; and the shape
      and dtype of the network's outputs.

    Raises:
      TypeError: if the model is a class.
      ValueError: if it is neither of these, or the loss is unknown or does not fit the network.
    """
    network = model
    if isinstance(model, type):
        raise TypeError(f"model is the class {model.__name__}; make one: {model.__name__}().")
    if isinstance(model, tuple) and len(model) == 2 and all(map(callable, model)):
        network = FunctionNetwork(*model, images)
    elif not isinstance(model, nn.Module):
        raise ValueError(
            f"model is {type(model).__name__}; give a Flax Linen module, or a pair of functions "
            "(init, apply), as jaxcnn/training/README.md shows for Haiku, Equinox and NNX."
        )
    elif not inspect.signature(type(model).__call__).parameters.keys() & {"train", "kwargs"}:
        raise ValueError(
            f"model must be called as model(images, train=...); {type(model).__name__}.__call__ "
            "has no argument train. Add one, even where training and evaluation are alike."
        )
    logits = jax.eval_shape(lambda x: _first_logits(network, x), images)
    if not hasattr(logits, "ndim"):
        raise ValueError(
            f"the network must give one array, its logits; got {type(logits).__name__}. Give the "
            "logits alone, such as by a pair (init, apply)."
        )
    head = getattr(network, "head", None)
    if loss is not None and not callable(loss):
        if loss not in LOSSES:
            raise unknown_name("loss", loss, LOSSES)
        if head not in (None, LOSSES[loss]):
            raise ValueError(f"loss={loss} does not fit the network's head, which is {head}.")
        head = LOSSES[loss]
    if head is None and loss is None and are_sets(label, logits):
        head = "multi_label"
    is_number = callable(loss) and jnp.issubdtype(label.dtype, jnp.floating)
    if head is None and not is_number and logits.ndim == 2 and logits.shape[1] > 1:
        head = "softmax"
    network = network if head == head_of(network) else WithHead(network, head)
    if callable(loss):
        return network, loss, logits
    if head is None:
        raise ValueError(
            f"there is no default loss for outputs of shape {logits.shape[1:]} per image; give "
            'loss="sigmoid_cross_entropy" for one logit on two classes, or '
            "loss=(logits, label) -> one loss per example."
        )
    num_classes = 2 if head == "sigmoid" else logits.shape[1]
    return network, losses.make_loss(head, num_classes=num_classes), logits


def are_sets(label: Any, logits: Any) -> bool:
    """Tell whether labels are several per example: whole numbers, one for each logit."""
    is_table = len(label.shape) == 2 and label.shape[1:] == logits.shape[1:]
    return is_table and not jnp.issubdtype(label.dtype, jnp.floating)


def _first_logits(network: Any, images: jax.Array) -> jax.Array:
    variables = network.init(jax.random.key(0), images, train=False)
    if isinstance(network, nn.Module) and (others := variables.keys() - {"params", "batch_stats"}):
        raise ValueError(
            f"the network has the collections {', '.join(sorted(others))} beside params and "
            "batch_stats; give a pair of functions (init, apply) that puts them into its state."
        )
    return network.apply(variables, images, train=False)
