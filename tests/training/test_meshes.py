"""The result of a run does not depend on the devices that it is spread over."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

WORKER = Path(__file__).parent / "mesh_worker.py"
LIMIT_SECONDS = 400
MESHES = ("data:4,fsdp:2",)
OTHER_MESHES = ("data:8", "data:2", "data:4", "data:1,fsdp:8")  # in the slow tests
NO_NOISE = {"batch_norm": False, "dropout_rate": 0.0}


def run_jobs(folder, jobs):
    """Run jobs by name in one process of eight devices."""
    folder.mkdir()
    (folder / "jobs.json").write_text(
        json.dumps([{"workdir": str(workdir), "settings": s} for workdir, s in jobs.values()])
    )
    arguments = [sys.executable, WORKER, folder / "jobs.json", folder / "found.json"]
    subprocess.run(arguments, check=True, timeout=LIMIT_SECONDS)
    return dict(zip(jobs, json.loads((folder / "found.json").read_text()), strict=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("meshes")


@pytest.fixture(scope="module")
def found(folder):
    jobs = {mesh: (folder / mesh, {"mesh": mesh}) for mesh in ("data:1", *MESHES)}
    jobs["plain"] = (folder / "plain", {"mesh": "data:1", **NO_NOISE})
    parts = {"mesh": "data:2,fsdp:2", "accumulate_steps": 4, "rematerialize": True, **NO_NOISE}
    jobs["parts"] = (folder / "parts", parts)
    return run_jobs(folder / "first", jobs)


def assert_same(found, expected):
    for name in ("losses", "validation", "probabilities"):
        np.testing.assert_allclose(found[name], expected[name], rtol=2e-4, atol=2e-5)
    assert found["index"] == list(range(21))


@pytest.mark.parametrize("mesh", MESHES)
def test_the_loss_curve_is_that_of_one_device(found, mesh):
    assert_same(found[mesh], found["data:1"])


@pytest.mark.parametrize(("mesh", "share"), [("data:4,fsdp:2", 1 / 2)])
def test_parameters_are_copied_along_data_and_split_along_fsdp(found, mesh, share):
    assert found[mesh]["share_a_device"] == pytest.approx(share, rel=0.1)  # small arrays stay whole


@pytest.mark.slow
def test_the_loss_curve_is_that_of_one_device_on_other_meshes(folder, found):
    jobs = {mesh: (folder / mesh, {"mesh": mesh}) for mesh in OTHER_MESHES}
    for other in run_jobs(folder / "others", jobs).values():
        assert_same(other, found["data:1"])


def test_parts_of_a_batch_add_up_to_it(found):
    assert_same(found["parts"], found["plain"])


@pytest.mark.slow
@pytest.mark.parametrize("mesh", ["data:2", "data:1"])
def test_a_checkpoint_goes_on_on_other_devices(folder, found, mesh):
    there = folder / f"from 8 to {mesh}"
    shutil.copytree(folder / "data:4,fsdp:2", there)
    shutil.rmtree(there / "checkpoints" / "last" / "8")  # as if stopped after an epoch
    jobs = {mesh: (there, {"mesh": mesh})}
    for resumed in run_jobs(folder / f"second {mesh}", jobs).values():
        assert_same(resumed, found["data:1"])
