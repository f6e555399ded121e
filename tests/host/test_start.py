"""A process is prepared once, as its first act: each case here is a process of its own."""

import json
import os
import shutil
import subprocess
import sys

import filelock
import pytest

from jaxcnn.host import compilation_cache

CODE = """
import json, sys, warnings
from jaxcnn.host.start import prepare_process
lines = prepare_process(reuse_memory=False, **json.loads(sys.argv[1]))
import jax
counts = {"cache_hits": 0, "cache_misses": 0}
def count(event, **about):
    name = event.rpartition("/")[2]
    if name in counts: counts[name] += 1
jax.monitoring.register_event_listener(count)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    result = jax.jit(lambda x: jax.numpy.sin(x) @ x)(jax.numpy.ones((4, 4)))
print(json.dumps([lines, counts, float(result.sum()), len(caught)]))
"""


def start(cache, environment=None, **options):
    """Prepare a process and compile: what was said, hits and misses, a result, warnings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    given = {
        "JAX_PLATFORMS": "cpu",
        "JAXCNN_CACHE": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(options)],
        env=kept | given | (environment or {}),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def programs(folder):
    return sorted(folder.rglob("*-cache"))


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A folder that one process has filled, and what that process told."""
    folder = tmp_path_factory.mktemp("cache")
    return folder, start(folder)


@pytest.fixture
def filled(first, tmp_path):
    """That folder, to be damaged; a copy would not do, since JAX's keys hold the folder's name."""
    shutil.copytree(first[0], tmp_path / "copy")
    yield first[0]
    shutil.rmtree(first[0])
    shutil.copytree(tmp_path / "copy", first[0])


def test_a_second_start_compiles_nothing(first):
    folder, (lines, counts, result, _) = first
    assert counts["cache_misses"] > 0
    assert programs(folder / "compiled")
    assert str(folder) in lines[0]
    assert "compilation_cache=False" in lines[0]
    hits = {"cache_hits": counts["cache_misses"], "cache_misses": 0}
    assert start(folder)[1:3] == [hits, result]


@pytest.mark.parametrize("wanted", [None, "chosen"])
def test_turned_off_it_keeps_nothing(tmp_path, wanted):
    environment = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / wanted)} if wanted else {}
    lines, counts, _, _ = start(tmp_path, environment, compilation_cache=False)
    assert (lines, counts["cache_misses"], programs(tmp_path)) == ([], 0, [])


def test_a_folder_that_the_user_chose_is_used(tmp_path):
    chosen = tmp_path / "chosen"
    lines, _, _, _ = start(tmp_path / "own", {"JAX_COMPILATION_CACHE_DIR": str(chosen)})
    assert str(chosen) in lines[0]
    assert programs(chosen)
    assert not (tmp_path / "own").exists()


def test_a_folder_that_cannot_be_made_costs_a_word(tmp_path):
    (tmp_path / "file").write_text("in the way")
    lines, counts, _, warned = start(tmp_path / "file")
    assert "cannot be cached" in lines[0]
    assert (counts["cache_hits"], counts["cache_misses"], warned) == (0, 0, 0)


def test_what_a_killed_process_left_half_written_is_written_again(first, filled):
    for program in programs(filled):
        program.write_bytes(program.read_bytes()[:20])
    marker = filled / "compiled" / programs(filled)[0].parent.name / ".running-of-a-killed-process"
    marker.touch()
    os.utime(marker, (0, 0))
    assert start(filled)[1:] == first[1][1:]
    assert not marker.exists()
    assert start(filled)[1]["cache_misses"] == 0


def test_a_damaged_entry_does_not_stop_the_run(first, filled):
    for program in programs(filled):
        program.write_bytes(b"damaged")
    _, counts, result, warned = start(filled)
    assert result == first[1][2]
    assert counts["cache_hits"] == 0
    assert warned


def age(path, seconds, size=8):
    path.write_bytes(b"x" * size)
    os.utime(path, (1_000_000 - seconds, 1_000_000 - seconds))


@pytest.mark.parametrize("suffix", ["-cache", ".of-another-jax", ""])
def test_the_oldest_of_too_many_files_go_whatever_their_names(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(compilation_cache, "_MOST_FILES", 2)
    for seconds, key in enumerate(("new", "middle", "old")):
        age(tmp_path / f"{key}{suffix}", seconds)
    compilation_cache._tidy(tmp_path)
    left = {path.name for path in tmp_path.iterdir()} - {compilation_cache._LOCK}
    assert left == {f"new{suffix}", f"middle{suffix}"}


def test_the_oldest_of_too_large_files_go(tmp_path, monkeypatch):
    monkeypatch.setattr(compilation_cache, "_MOST_BYTES", 100)
    for seconds, (key, size) in enumerate({"new": 60, "middle": 40, "old": 1}.items()):
        age(tmp_path / key, seconds, size)
    compilation_cache._tidy(tmp_path)
    left = {path.name for path in tmp_path.iterdir()} - {compilation_cache._LOCK}
    assert left == {"new", "middle"}


def test_files_of_unknown_names_stay_while_they_are_few(tmp_path):
    for seconds, key in enumerate(("a.xla", "b.atime2", "c")):
        age(tmp_path / key, seconds)
    compilation_cache._tidy(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} >= {"a.xla", "b.atime2", "c"}


def test_only_what_is_younger_than_a_killed_process_is_distrusted(tmp_path):
    for seconds, key in ((10, "old"), (0, "young")):
        age(tmp_path / key, seconds)
    age(tmp_path / ".running-killed", 5)
    living = tmp_path / ".running-living"
    with filelock.FileLock(living):
        os.utime(living, (0, 0))
        compilation_cache._tidy(tmp_path)
        assert living.exists()
    assert (tmp_path / "old").exists()
    assert not (tmp_path / "young").exists()
    assert not (tmp_path / ".running-killed").exists()


def test_a_program_without_the_time_of_its_use_goes_with_what_is_left(tmp_path):
    for name in ("whole-cache", "whole-atime", "alone-cache"):
        age(tmp_path / name, 0)
    compilation_cache._tidy(tmp_path)
    left = {path.name for path in tmp_path.iterdir()} - {compilation_cache._LOCK}
    assert left == {"whole-cache", "whole-atime"}
