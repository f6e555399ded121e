"""Several processes on loopback train as one would, and say so when one of them is lost."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from jaxcnn.host.processes import (
    PeerLostError,
    find_cluster,
    is_first,
    peers_watched,
    start_processes,
)

ROOT = Path(__file__).parents[2]
LIMIT_SECONDS = 300  # of a whole job
NOTICE_SECONDS = 60  # within which those that are left must have ended
FLAGS = (
    *("--dataset=folder", "--image_size_px=12", "--stored_size_px=14", "--batch_size=16"),
    *("--eval_batch_size=10", "--depth=2", "--warmup_epochs=0", "--noreuse_memory"),
    *("--nocompilation_cache", "--decoder=pillow"),
)
SLURM = {
    "SLURM_JOB_ID": "1",
    "SLURM_STEP_NODELIST": "n[1-4]",
    "SLURM_PROCID": "0",
    "SLURM_NTASKS": "4",
}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        (SLURM, "SLURM"),
        ({**SLURM, "SLURM_NTASKS": "1"}, None),
        ({"SLURM_JOB_ID": "1", "SLURM_NTASKS": "4"}, None),  # in the job, but not under srun
        ({"OMPI_MCA_orte_hnp_uri": "u", "OMPI_COMM_WORLD_RANK": "0"}, None),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, None),  # a pod, but of no indexed job
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JOB_COMPLETION_INDEX": "0"}, "Kubernetes"),
        ({"TPU_WORKER_HOSTNAMES": "localhost"}, None),
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, "a TPU pod"),
        ({"MEGASCALE_COORDINATOR_ADDRESS": "a"}, "TPU slices"),
    ],
)
def test_the_environment_says_whether_a_process_is_alone(environment, expected):
    assert find_cluster(environment) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("localhost:1", None, None), "belong together"),
        ((None, 2, 1), "belong together"),
        (("localhost:1", 2, 2), r"process_id \(=2\) must lie in \[0, num_processes \(=2\)\)"),
    ],
)
def test_half_an_address_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        start_processes(*given)


def test_a_job_of_one_process_is_none():
    assert start_processes("localhost:1", 1, 0) is None
    assert is_first()


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    draws = np.random.default_rng(0)
    for split, count in (("train", 66), ("validation", 21), ("test", 21)):
        for number in range(count):
            label = number % 2
            pixels = draws.integers(0, 160, (20, 20, 3)) + 60 * label
            place = folder / split / ("dark", "bright")[label] / f"{number:03d}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(place)
    return folder


def start(photos, workdir, number=0, count=1, port=0, flags=()):
    command = [sys.executable, "-m", "experiments.cats_dogs", *FLAGS, *flags]
    command += [f"--data_dir={photos}", f"--workdir={workdir}"]
    if count > 1:
        command.append(f"--coordinator_address=127.0.0.1:{port}")
        command += [f"--num_processes={count}", f"--process_id={number}"]
    with workdir.with_name(f"{workdir.name}.{number}.log").open("a") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ})


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start_job(photos, workdir, count, flags=()):
    port = free_port()
    return [start(photos, workdir, number, count, port, flags) for number in range(count)]


def wait(processes, seconds):
    """Wait for all, or end them and fail."""
    ends = time.monotonic() + seconds
    try:
        return [process.wait(max(0, ends - time.monotonic())) for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()


def rows(workdir):
    metrics = workdir / "metrics.jsonl"
    return [json.loads(row) for row in metrics.read_text().splitlines()] if metrics.exists() else []


def assert_same_run(workdir, expected):
    for name in ("train_loss", "validation_loss", "validation_accuracy"):
        found = [row[name] for row in rows(workdir)]
        np.testing.assert_allclose(found, [row[name] for row in rows(expected)], rtol=2e-4)
    summaries = [json.loads((w / "summary.json").read_text()) for w in (workdir, expected)]
    assert summaries[0]["test_accuracy"] == summaries[1]["test_accuracy"]
    assert summaries[0]["num_test"] == 21


def test_two_processes_train_as_one(photos, tmp_path):
    flags = ("--num_epochs=2",)
    alone = tmp_path / "alone"
    assert wait([start(photos, alone, flags=flags)], LIMIT_SECONDS) == [0]
    together = tmp_path / "together"
    assert wait(start_job(photos, together, 2, flags), LIMIT_SECONDS) == [0, 0]
    assert_same_run(together, alone)
    first, second = (Path(f"{together}.{number}.log").read_text() for number in range(2))
    assert "2 processes" in first
    assert "test accuracy" in first
    assert "test accuracy" not in second  # the first alone speaks


def test_a_mistake_ends_all_processes_with_status_2(photos, tmp_path):
    there = tmp_path / "there"
    there.write_text("a file")
    assert wait(start_job(photos, there, 2), LIMIT_SECONDS) == [2, 2]
    for number in range(2):
        assert "must be the name of a folder" in Path(f"{there}.{number}.log").read_text()


def test_the_first_to_end_aborts_no_slower_one():
    program = (
        "import sys, time; from jaxcnn.host.processes import end_processes, start_processes;"
        "number = int(sys.argv[2]); start_processes(f'127.0.0.1:{sys.argv[1]}', 2, number);"
        "time.sleep(4 * number); end_processes('a mistake', 2)"
    )
    port = free_port()
    job = [
        subprocess.Popen([sys.executable, "-c", program, str(port), str(number)], cwd=ROOT)
        for number in range(2)
    ]
    assert wait(job, LIMIT_SECONDS) == [2, 2]


@pytest.mark.slow
def test_one_of_four_is_killed_and_the_job_goes_on_from_its_checkpoint(photos, tmp_path):
    flags = ("--num_epochs=12", "--resume")
    workdir, expected = tmp_path / "killed", tmp_path / "undisturbed"
    assert wait(start_job(photos, expected, 4, flags), LIMIT_SECONDS) == [0] * 4
    processes = start_job(photos, workdir, 4, flags)
    ends = time.monotonic() + LIMIT_SECONDS
    while len(rows(workdir)) < 2 and time.monotonic() < ends:
        time.sleep(0.05)
    processes[2].send_signal(signal.SIGKILL)
    statuses = wait(processes, NOTICE_SECONDS)
    assert statuses == [1, 1, -signal.SIGKILL, 1]
    for number in (0, 1, 3):
        assert "lost another one" in Path(f"{workdir}.{number}.log").read_text()
    assert 2 <= len(rows(workdir)) < 12
    assert wait(start_job(photos, workdir, 4, flags), LIMIT_SECONDS) == [0] * 4
    assert len(rows(workdir)) == 12
    assert_same_run(workdir, expected)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("Gloo all-reduce failed: Connection closed by peer"), "lost another one"),
        (jax.errors.JaxRuntimeError("INTERNAL: words of another version"), "a computation failed"),
        (ValueError("nothing to do with it"), None),
    ],
)
def test_an_error_is_told_as_a_lost_process_whatever_its_words(monkeypatch, error, told):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    expected = PeerLostError if told else type(error)
    with pytest.raises(expected, match=told or str(error)), peers_watched():
        raise error
    monkeypatch.setattr(jax, "process_count", lambda: 1)
    with pytest.raises(type(error)), peers_watched():
        raise error
