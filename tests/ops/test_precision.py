"""bfloat16 is chosen where a trial shows that it is faster and right, and nowhere else."""

import json

import jax.numpy as jnp
import pytest

from jaxcnn.ops import precision
from jaxcnn.ops.cpu import onednn
from jaxcnn.ops.cpu.trial import TrialFailed

TINY = (2, 8, 8, 4)


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A CPU that multiplies bfloat16, an empty cache folder, and nothing found out yet."""
    monkeypatch.setenv("JAXCNN_CACHE", str(tmp_path))
    monkeypatch.delenv("JAXCNN_AUTO_DTYPE")
    monkeypatch.setattr(onednn, "multiplies_bfloat16", lambda: True)
    monkeypatch.setattr(onednn, "has_bfloat16", lambda: True)
    precision._choose.cache_clear()
    yield tmp_path
    precision._choose.cache_clear()


def find(monkeypatch, ratio=2.0, is_right=True):
    found = {"ratio": ratio, "is_right": is_right}
    monkeypatch.setattr(precision, "in_another_process", lambda *_, **__: found)


@pytest.mark.parametrize(
    ("ratio", "is_right", "dtype", "reason"),
    [
        (2.13, True, "bfloat16", "2.1 times as fast as float32 on this processor"),
        (1.19, True, "float32", "bfloat16 is only 1.19 times as fast"),
        (0.4, True, "float32", "bfloat16 is only 0.40 times as fast"),
        (2.0, False, "float32", "failed its trial"),
    ],
)
def test_the_trial_decides(machine, monkeypatch, ratio, is_right, dtype, reason):
    del machine
    find(monkeypatch, ratio, is_right)
    choice = precision.fastest_dtype()
    assert choice.dtype == dtype
    assert reason in choice.reason


def test_a_finding_is_kept(machine, monkeypatch):
    find(monkeypatch, 2.0)
    assert precision.fastest_dtype().dtype == "bfloat16"
    (kept,) = machine.rglob("*.json")
    assert json.loads(kept.read_text()) == {"ratio": 2.0, "is_right": True}
    precision._choose.cache_clear()
    monkeypatch.setattr(precision, "in_another_process", pytest.fail)
    assert precision.fastest_dtype().dtype == "bfloat16"


@pytest.mark.parametrize(
    ("error", "num_kept"), [(TrialFailed(), 1), (TimeoutError(), 1), (OSError(), 0)]
)
def test_a_trial_that_crashes_or_hangs_has_failed(machine, monkeypatch, error, num_kept):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(precision, "in_another_process", fail)
    assert precision.fastest_dtype().dtype == "float32"
    assert len(list(machine.rglob("*.json"))) == num_kept


@pytest.mark.parametrize("lacking", ["multiplies_bfloat16", "has_bfloat16"])
def test_nothing_is_tried_where_bfloat16_is_emulated(machine, monkeypatch, lacking):
    monkeypatch.setattr(onednn, lacking, lambda: False)
    monkeypatch.setattr(precision, "in_another_process", pytest.fail)
    assert precision.fastest_dtype().dtype == "float32"
    assert not list(machine.rglob("*.json"))


def test_the_environment_spares_the_trial(machine, monkeypatch):
    del machine
    monkeypatch.setattr(precision, "in_another_process", pytest.fail)
    monkeypatch.setenv("JAXCNN_AUTO_DTYPE", "bfloat16")
    assert precision.fastest_dtype() == ("bfloat16", "JAXCNN_AUTO_DTYPE says so")
    monkeypatch.setenv("JAXCNN_AUTO_DTYPE", "bfloat8")
    with pytest.raises(ValueError, match="nearest first: bfloat16, float32"):
        precision.fastest_dtype()


def test_other_devices_are_tried_in_this_process(machine, monkeypatch):
    monkeypatch.setattr(precision.jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(precision, "compare", lambda: {"ratio": 3.0, "is_right": True})
    monkeypatch.setattr(precision, "in_another_process", pytest.fail)
    choice = precision.fastest_dtype()
    assert choice.dtype == "bfloat16"
    assert choice.reason.startswith("3.0 times as fast as float32 on this ")
    (kept,) = machine.rglob("*.json")
    assert "-gpu-" in kept.name


def test_the_step_of_the_trial_is_right_in_both(monkeypatch):
    monkeypatch.setattr(precision, "_CPU_SHAPE", TINY)
    found = precision.compare()
    assert found["is_right"]
    assert found["ratio"] > 0


def test_a_wrong_gradient_is_found(monkeypatch):
    monkeypatch.setattr(precision, "_CPU_SHAPE", TINY)
    right = precision.batch_norm

    def wrong(images, *args, **options):
        y, *others = right(images, *args, **options)
        return (y * jnp.asarray(1.2, y.dtype) if y.dtype == jnp.bfloat16 else y, *others)

    monkeypatch.setattr(precision, "batch_norm", wrong)
    assert not precision.compare()["is_right"]


def test_the_trial_runs_in_another_process(monkeypatch, tmp_path):
    monkeypatch.setenv("JAXCNN_CACHE", str(tmp_path))
    # Without oneDNN's bfloat16, which may hang on a processor that only emulates it.
    monkeypatch.setattr(onednn, "SWITCHED_ON", {"JAXCNN_ONEDNN_BFLOAT16": "0"})
    found = precision._compare_in_another_process()
    assert found is not None
    assert found["is_right"]
