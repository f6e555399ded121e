"""Choose hyper-parameters before a run: a sweep, or the learning-rate finder."""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.runs.tuning.learning_rate_finder import (
        suggest_rate as suggest_rate,
        try_rates as try_rates,
    )
    from jaxcnn.runs.tuning.search import check_search as check_search, choose as choose
    from jaxcnn.runs.tuning.sweep import parse_sweep as parse_sweep, run_sweep as run_sweep
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
