"""Decisions that are made at once, in several tabs and programs, and while something is killed."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jaxcnn.data.decisions.decision_log import DecidedMeanwhileError, DecisionLog
from jaxcnn.data.decisions.decision_table import (
    Decision,
    DecisionError,
    decision_line,
    read_decisions,
)

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def path(tmp_path):
    return tmp_path / "decisions.csv"


def test_a_decision_is_there_at_once(path):
    log = DecisionLog(path, begin_with=[Decision("a.jpg", "keep", "cat")])
    log.add(Decision("b.jpg", "relabel", "cat", "dog"))
    assert {n: r.decision for n, r in read_decisions(path).items()} == {
        "a.jpg": "keep",
        "b.jpg": "relabel",
    }
    assert log.current() == read_decisions(path)
    again = DecisionLog(path, begin_with=[Decision("never.jpg", "keep")])
    assert again.current() == log.current()


def test_the_disk_has_it_before_add_returns(path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.fstat(number).st_size))
    DecisionLog(path).add(Decision("a.jpg", "keep"))
    assert synced == [path.stat().st_size]


def test_undo_leaves_what_was_decided_before(path):
    log = DecisionLog(path)
    for decision in ("keep", "exclude", "undo"):
        log.add(Decision("a.jpg", decision))
    assert log.current()["a.jpg"].decision == "keep"
    assert log.version("a.jpg") == 3
    log.add(Decision("a.jpg", "undo"))
    assert log.current() == {}


def test_a_tab_that_shows_an_older_state_loses_nothing(path):
    one, other = DecisionLog(path), DecisionLog(path)
    shown = one.version("a.jpg")
    other.add(Decision("a.jpg", "exclude"), version=shown)
    with pytest.raises(DecidedMeanwhileError, match=r"a\.jpg was decided about in another tab"):
        one.add(Decision("a.jpg", "keep"), version=shown)
    one.add(Decision("b.jpg", "keep"), version=0)  # another photo is not concerned
    assert {n: r.decision for n, r in other.current().items()} == {
        "a.jpg": "exclude",
        "b.jpg": "keep",
    }


def test_many_threads_and_logs_lose_no_row(path):
    logs = [DecisionLog(path) for _ in range(3)]

    def decide(number):
        for i in range(20):
            logs[number % 3].add(Decision(f"{number}/{i}.jpg", "keep"))

    threads = [threading.Thread(target=decide, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_decisions(path)) == 120
    assert logs[0].current() == logs[1].current() == read_decisions(path)


def test_what_a_person_edits_meanwhile_is_seen(path):
    log = DecisionLog(path)
    log.add(Decision("a.jpg", "keep"))
    path.write_text(path.read_text().replace("keep", "exclude") + "c.jpg,exclude,,,")
    assert log.current()["a.jpg"].decision == "exclude"
    log.add(Decision("d.jpg", "keep"))
    assert list(read_decisions(path)) == ["a.jpg", "c.jpg", "d.jpg"]
    path.unlink()
    assert log.current() == {}


def test_a_damaged_or_foreign_table_is_told_and_kept(path):
    path.write_text("name,decision\na.jpg,keep\n")
    with pytest.raises(
        DecisionError, match=r"has the columns name,decision; decisions can be added"
    ):
        DecisionLog(path)
    assert path.read_text() == "name,decision\na.jpg,keep\n"
    path.unlink()
    log = DecisionLog(path)
    path.write_text("nonsense")
    with pytest.raises(DecisionError, match="begins with 'nonsense'"):
        log.add(Decision("a.jpg", "keep"))
    assert path.read_text() == "nonsense"


def test_a_folder_that_is_gone_is_told(path):
    with pytest.raises(DecisionError, match="cannot be written: no such file"):
        DecisionLog(path.parent / "none" / "decisions.csv")


def test_a_row_that_a_kill_cut_off_is_removed(path, said):
    DecisionLog(path).add(Decision("a.jpg", "keep", "cat"))
    whole = path.read_bytes()
    line = decision_line(Decision("b,\n.jpg", "relabel", "cat", "dog", "2026-11-29T10:38:22+00:00"))
    for count in range(1, len(line)):
        path.write_bytes(whole + line[:count])
        log = DecisionLog(path)
        log.add(Decision("c.jpg", "exclude"))
        found = read_decisions(path)
        assert found["a.jpg"].decision == "keep"
        assert found["c.jpg"].decision == "exclude"
        if len(found) == 3:
            assert found["b,\n.jpg"].new_label == "dog"
    assert any("was cut off and is removed" in line for line in said)


_WRITER = """
import itertools, sys
from jaxcnn.data.decisions.decision_log import DecisionLog
from jaxcnn.data.decisions.decision_table import Decision
log = DecisionLog(sys.argv[1])
for i in itertools.count():
    log.add(Decision(f"{i}.jpg", "relabel", "cat", "dog"))
    print(i, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.01, 0.03, 0.1, 0.3])
def test_a_killed_program_loses_nothing_that_it_told(path, delay):
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        told = [process.stdout.readline()]
        time.sleep(delay)
        process.kill()
        told += process.stdout.read().splitlines()
    DecisionLog(path).add(Decision("last.jpg", "keep"))
    found = read_decisions(path)
    assert "last.jpg" in found
    count = len(told)
    assert {f"{i}.jpg" for i in range(count)} <= set(found)
    assert len(found) - 1 in (count, count + 1)  # one may be written and not yet told
