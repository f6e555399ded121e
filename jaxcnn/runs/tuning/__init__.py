"""Choose hyper-parameters before a run, once: `search` does what the settings ask for.

- `sweep`: a grid of values, by successive halving;
- `learning_rate_finder`: a dozen learning rates for a few steps;
- `trials`: networks that start alike and differ in hyper-parameters, which both train.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.runs.tuning.learning_rate_finder import (
        find_learning_rate as find_learning_rate,
        suggest_rate as suggest_rate,
    )
    from jaxcnn.runs.tuning.search import check_search as check_search, choose as choose
    from jaxcnn.runs.tuning.sweep import parse_sweep as parse_sweep, run_sweep as run_sweep
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
