import dataclasses
import functools
import io
import time

from jaxcnn.metrics.metric import ACCURACY
from jaxcnn.training import progress_bar
from jaxcnn.training.callbacks import View
from jaxcnn.training.history import Member, Progress
from jaxcnn.training.progress_bar import ProgressBar
from jaxcnn.training.progressive_resizing import area_of_steps, plan_sizes


class Terminal(io.StringIO):
    def isatty(self):
        return True


def view_at(step, **changes):
    """What a callback sees after a step of the first of two epochs of ten."""
    sums = {"loss": {"sum": 2.0, "count": 4}, "accuracy": {"correct": 3, "count": 4}}
    member = Member(sums if step else {})
    view = View(
        progress=Progress(step=step, step_in_epoch=step, members=[member]),
        history=[],
        is_best=False,
        best="accuracy",
        num_epochs=2,
        steps_per_epoch=10,
        batch_size=32,
        phase="",
        measures={"accuracy": ACCURACY},
        step_seconds=0.5,
        images_per_second=64.0,
        wait_share=0.02,
    )
    return dataclasses.replace(view, **changes)


def make_bar(stream):
    bar = ProgressBar(stream=stream)
    bar.on_train_begin(view_at(0))
    return bar


def test_the_moving_line_says_all_that_a_person_waits_for():
    terminal = Terminal()
    bar = make_bar(terminal)
    for step in range(1, 5):
        time.sleep(0.12)  # tqdm draws ten times a second at the most
        bar.on_step_end(view_at(step))
    bar.on_train_end(view_at(4))
    shown = terminal.getvalue()
    for part in ("epoch 1/2", "loss 0.500", "accuracy 75.0%", "64 img/s", "waiting for data 2%"):
        assert part in shown
    assert "0:08 left" in shown  # 16 steps of half a second


def test_the_time_left_counts_steps_by_the_area_of_their_images(capsys, monkeypatch):
    monkeypatch.setattr(progress_bar, "_HEARTBEAT_SECONDS", 0.0)
    sizes = plan_sizes({32: 0.5}, num_epochs=2, steps_per_epoch=10)
    bar = make_bar(io.StringIO())
    area = functools.partial(area_of_steps, sizes, 64)
    bar.on_step_end(view_at(5, step_seconds=5.0, area_of_steps=area))
    # 5 steps on a quarter of the area took 5 s; 5 more of these and 10 whole ones are left.
    assert "0:45 left" in capsys.readouterr().out


def test_a_file_gets_a_line_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(progress_bar, "_HEARTBEAT_SECONDS", 0.0)
    file = io.StringIO()
    bar = make_bar(file)
    bar.on_step_end(view_at(1))
    assert file.getvalue() == ""  # no control characters in a log
    assert "step 1/20" in capsys.readouterr().out


def test_a_process_beside_the_first_is_silent(capsys, monkeypatch):
    monkeypatch.setattr(progress_bar, "is_first", lambda: False)
    monkeypatch.setattr(progress_bar, "_HEARTBEAT_SECONDS", 0.0)
    bar = ProgressBar()
    bar.on_train_begin(view_at(0))
    bar.on_step_end(view_at(1))
    bar.on_epoch_end(view_at(1, history=[{"epoch": 1}]))
    bar.on_train_end(view_at(1))
    assert capsys.readouterr() == ("", "")
