"""Convolutional image classifiers in JAX: pure functions from photo to label.

The names here are the ones most programs need; the modules hold the rest. Each is imported when it
is first used, so that `import jaxcnn` is quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxcnn.augment import make_augment
    from jaxcnn.classifier import Classifier, Prediction
    from jaxcnn.config import TrainConfig
    from jaxcnn.eval_step import make_eval_step
    from jaxcnn.models import create_model, list_models, summarize
    from jaxcnn.train import make_train_step
    from jaxcnn.train_state import init_state
    from jaxcnn.trainer import evaluate_classifier, train_classifier
    from jaxcnn.types import Batch, Metrics, TrainState

_HOME = {
    "Batch": "types",
    "Classifier": "classifier",
    "Metrics": "types",
    "Prediction": "classifier",
    "TrainConfig": "config",
    "TrainState": "types",
    "create_model": "models",
    "evaluate_classifier": "trainer",
    "init_state": "train_state",
    "list_models": "models",
    "make_augment": "augment",
    "make_eval_step": "eval_step",
    "make_train_step": "train",
    "summarize": "models",
    "train_classifier": "trainer",
}

__all__ = [
    "Batch",
    "Classifier",
    "Metrics",
    "Prediction",
    "TrainConfig",
    "TrainState",
    "create_model",
    "evaluate_classifier",
    "init_state",
    "list_models",
    "make_augment",
    "make_eval_step",
    "make_train_step",
    "summarize",
    "train_classifier",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'jaxcnn' has no attribute {name!r}")
    return getattr(importlib.import_module(f"jaxcnn.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
