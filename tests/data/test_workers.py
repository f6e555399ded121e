import os

import pytest

from jaxcnn.data.workers import in_threads, usable_cores


def test_only_the_cores_of_this_process_count(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 7}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert usable_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores() == 64
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1


@pytest.mark.parametrize("num_workers", [1, 3])
def test_results_come_in_order(num_workers, monkeypatch):
    monkeypatch.setattr("jaxcnn.data.workers._AHEAD", 4)
    assert list(in_threads(lambda i: i * i, 10, num_workers, False)) == [i * i for i in range(10)]
