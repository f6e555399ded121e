"""Strict numerics for every test: no silent promotion of dtypes or ranks."""

import atexit
import contextlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Programs are tested as users start them, whose pipes are buffered.
os.environ.pop("PYTHONUNBUFFERED", None)
# Images that were drawn and programs that were compiled serve all tests and the processes that they
# start, and none of the user's: the first process makes the folder, its workers inherit the name.
if "JAXCNN_CACHE" not in os.environ:
    os.environ["JAXCNN_CACHE"] = tempfile.mkdtemp(prefix="jaxcnn_tests_")
    atexit.register(shutil.rmtree, os.environ["JAXCNN_CACHE"], ignore_errors=True)
# Much of the time of these tests goes into compiling programs that then run once, on a few pixels.
# These flags of XLA make that four times as fast; its optimizations of whole programs stay on. Set
# XLA_FLAGS empty to test with the defaults.
if "XLA_FLAGS" not in os.environ:
    os.environ["XLA_FLAGS"] = (
        "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
        " --xla_cpu_parallel_codegen_split_count=1"
    )
    # Later releases do not have this one, and a flag that XLA does not know ends the process.
    _flags = f"{os.environ['XLA_FLAGS']} --xla_cpu_use_fusion_emitters=false"
    _trial = subprocess.run(
        [sys.executable, "-c", "import jax; jax.devices()"],
        env=os.environ | {"XLA_FLAGS": _flags},
        capture_output=True,
    )
    if _trial.returncode == 0:
        os.environ["XLA_FLAGS"] = _flags

import hypothesis
import jax
import numpy as np
import pytest

from jaxcnn.data.image_splits import DecodedSplit
from jaxcnn.ops.cpu import onednn
from jaxcnn.runs.config import make_config

# Found out once, for the processes too that tests start with cache folders of their own.
os.environ.setdefault("JAXCNN_ONEDNN", "1" if onednn.is_available() else "0")
# What a machine finds fastest is no matter of tests: their numbers are float32's everywhere.
os.environ.setdefault("JAXCNN_AUTO_DTYPE", "float32")

# These make fixtures, by reference implementations that no test needs.
collect_ignore_glob = ["*/make_*.py", "*/references/*.py"]

# Every run tries the same made inputs, so that a failure is of the change that was made. Others:
# `pytest --hypothesis-profile=default`.
hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.load_profile("repeatable")

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session")
def tiny_split():
    """Sixty-six 12-pixel images of two classes that brightness tells apart, with noise."""
    draws = np.random.default_rng(0)
    labels = np.arange(66, dtype=np.int32) % 2
    images = draws.integers(0, 160, (66, 12, 12, 3)) + 60 * labels[:, None, None, None]
    names = [f"image/{i:03d}" for i in range(66)]
    return DecodedSplit(images.astype(np.uint8), labels, names, ("dark", "bright"))


@pytest.fixture(scope="session")
def tiny_config():
    """Settings of a run that takes seconds: small drawings, a narrow network, few epochs."""
    return make_config(
        image_size_px=16,
        stored_size_px=18,
        max_train_examples=48,
        num_epochs=3,
        batch_size=16,
        depth=2,
        width_multiplier=0.125,
        baselines=False,
    )


@contextlib.contextmanager
def few_photos(*, in_pictures=True, maps=False, coarse=True):
    """Draw few photos into a run's pictures, of few pixels, and no maps into its page."""
    with pytest.MonkeyPatch.context() as patch:
        if coarse:
            patch.setattr("jaxcnn.plots.canvas.DPI", 50)
        if in_pictures:
            for name in ("_SAMPLE_ROWS", "_SAMPLE_VIEWS", "_SHEET_PHOTOS", "_PREDICTED_PHOTOS"):
                patch.setattr(f"jaxcnn.runs.figures.{name}", 2)
        if not maps:
            patch.setattr("jaxcnn.runs.run.map_maker", lambda *_: "left out in this test.")
        yield


@pytest.fixture(scope="module", autouse=True)
def _few_photos(request):
    """Draw few photos, but where that is tested."""
    path = request.path.relative_to(request.config.rootpath)
    pictures = "figures" not in path.name
    folder = path.parent.name
    with few_photos(in_pictures=pictures, maps="report" in str(path), coarse=folder != "plots"):
        yield


@pytest.fixture(scope="module", autouse=True)
def _forget_compiled():
    """Drop a module's programs after it: kept, they make a process of 4 GB, and a slower one."""
    yield
    jax.clear_caches()


@contextlib.contextmanager
def _logged():
    lines, logger, handler = [], logging.getLogger("jaxcnn"), logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)
    logger.setLevel(before)


@pytest.fixture(scope="session")
def logged():
    """Lists what the library logs for its user; pytest's caplog serves no fixture of a module."""
    return _logged


@pytest.fixture
def said(logged):
    """What the library has logged in this test, line by line."""
    with logged() as lines:
        yield lines


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, tiny_config):
    """The folder of a finished run; tests read it, and write elsewhere."""
    from jaxcnn.runs.train_and_evaluate import (
        train_classifier,  # few tests need it, and it imports much
    )

    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    with few_photos():
        train_classifier(tiny_config, workdir)
    return workdir


class Examples:
    """Examples in docstrings run as users have it, each with a folder of its own for its files."""

    @pytest.fixture(autouse=True)
    def _as_a_user_runs_it(self, request):
        if not request.path.is_relative_to(request.config.rootpath / "jaxcnn"):
            yield
            return
        request.getfixturevalue("monkeypatch").chdir(request.getfixturevalue("tmp_path"))
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            yield


def pytest_configure(config):
    config.pluginmanager.register(Examples())  # for files outside of this folder too
