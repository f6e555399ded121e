"""Learning rates that differ by layer, for fine-tuning."""

from collections.abc import Mapping, Sequence

import jax
import optax

from jaxcnn.optim.schedules import check_range


def layer_factors(names: Sequence[str], decay: float) -> dict[str, float]:
    """Give deeper layers, whose features are more general, smaller learning rates.

    Args:
      names: of the layers at the top of the parameter tree, in order.
      decay: factor from one layer to the one before it, in (0, 1]; the last layer's factor is 1.

    Returns:
      {name: factor}.

    Raises:
      ValueError: if decay is out of its range.

    Example:
      >>> layer_factors(["stem", "stage_1", "head"], 0.5)
      {'stem': 0.25, 'stage_1': 0.5, 'head': 1.0}

    Source: Howard & Ruder 2018, arXiv:1801.06146, section 3.2 (discriminative fine-tuning).
    """
    check_range("decay", decay, 0 < decay <= 1, "in (0, 1]")
    return {name: decay ** (len(names) - 1 - i) for i, name in enumerate(names)}


def scale_layers(factors: Mapping[str, float]) -> optax.GradientTransformation:
    """Multiply the updates of each layer by its factor.

    Args:
      factors: {name of a layer at the top of the parameter tree: factor}, one for each.

    Returns:
      An Optax transformation without state.
    """

    def scale(updates: optax.Updates, params: optax.Params | None = None) -> optax.Updates:
        del params
        assert isinstance(updates, dict)
        return {
            name: jax.tree.map(lambda u, f=factors[name]: f * u, below)
            for name, below in updates.items()
        }

    return optax.stateless(scale)
