"""Cached features are taken for what they were computed from, and for nothing else."""

import contextlib
import dataclasses
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from jaxcnn.models import SixConv
from jaxcnn.runs import features_cache

MODEL = SixConv(num_classes=2, widths=(4,), depth=1, dense_widths=())
VARIABLES = {"params": {"block_1": np.ones(3), "head": np.ones(2)}, "batch_stats": {}}


@pytest.fixture
def key_of(monkeypatch, tiny_config, tiny_split, tmp_path):
    """Gives what a split's features are known by, of a run with some changes."""
    asked = []

    def load(path, about):
        asked.append((path.name, about))
        return np.zeros((66, 1, 4), np.float32), np.ones(66, bool)

    monkeypatch.setattr(features_cache.features, "load_features", load)

    def found(variables=VARIABLES, *, names=None, num_augmented=True, **settings):
        run = SimpleNamespace(
            config=tiny_config.replace(**{"augment": "standard", "feature_views": 2, **settings}),
            folder=SimpleNamespace(features=tmp_path),
            key=jax.random.key(0),
            layout=None,
        )
        split = dataclasses.replace(tiny_split, names=names or tiny_split.names)
        features_cache.split_features(
            run, MODEL, None, "train", split, variables, num_augmented=num_augmented
        )
        return asked[-1]

    return found


def changed(**parts):
    return {**VARIABLES, "params": {**VARIABLES["params"], **parts}}


def test_the_same_is_found_again_whatever_the_head(key_of):
    assert key_of() == key_of() == key_of(changed(head=np.zeros(2)))
    assert key_of(learning_rate=0.5) == key_of()


def test_what_features_depend_on_makes_others(key_of, tiny_split):
    found = [
        key_of(),
        key_of(changed(block_1=np.zeros(3))),
        key_of({**VARIABLES, "batch_stats": {"mean": np.ones(1)}}),
        key_of(names=[f"other {name}" for name in tiny_split.names]),
        key_of(names=tiny_split.names[::-1]),
        key_of(num_augmented=False),
        key_of(augment="strong"),
        key_of(feature_views=3),
        key_of(seed=7),
        key_of(pixel_mean=(0.1, 0.2, 0.3)),
        key_of(image_size_px=14),
    ]
    assert len(set(found)) == len(found)


def test_features_that_cannot_be_cached_stop_no_run(
    monkeypatch, tiny_config, tiny_split, tmp_path, caplog
):
    (tmp_path / "file").write_text("")
    computed = np.zeros((66, 1, 4), np.float32), np.ones(66, bool)
    parts = {"make_feature_step": None, "extract": computed, "load_features": None}
    for name, value in parts.items():
        monkeypatch.setattr(features_cache.features, name, lambda *_, v=value, **__: v)
    monkeypatch.setattr(features_cache, "fold_batch_norm", lambda *both: both)
    monkeypatch.setattr(features_cache, "compile_evaluation", lambda *_: None)
    layout = SimpleNamespace(round_up=int, put_state=dict, put_key=list, put_batch=None)
    bar = contextlib.nullcontext(SimpleNamespace(update=None))
    run = SimpleNamespace(
        config=tiny_config,
        folder=SimpleNamespace(features=tmp_path / "file"),
        key=(),
        layout=layout,
        bar=lambda *_, **__: bar,
    )
    found = features_cache.split_features(run, MODEL, None, "train", tiny_split, VARIABLES)
    assert found.features is computed[0]
    assert f"features of train cannot be cached in {tmp_path / 'file'}" in caplog.text
