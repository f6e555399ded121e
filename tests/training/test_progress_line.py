import io
import time

from jaxcnn.training.progress_line import ProgressLine

from jaxcnn.training import progress_line


class Terminal(io.StringIO):
    def isatty(self):
        return True


def make_line(stream):
    line = ProgressLine(num_epochs=2, steps_per_epoch=10, batch_size=32, stream=stream)
    line.start_epoch(0)
    return line


def test_the_moving_line_says_all_that_a_person_waits_for():
    terminal = Terminal()
    line = make_line(terminal)
    for step in range(1, 5):
        time.sleep(0.12)  # tqdm draws ten times a second at the most
        line.update(loss=0.5, accuracy=0.75, step=step, seconds=0.5, wait_share=0.02)
    line.close()
    shown = terminal.getvalue()
    for part in ("epoch 1/2", "loss 0.500", "accuracy 75.0%", "64 img/s", "waiting for data 2%"):
        assert part in shown
    assert "0:08 left" in shown  # 16 steps of half a second


def test_a_file_gets_a_line_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(progress_line, "_HEARTBEAT_SECONDS", 0.0)
    file = io.StringIO()
    line = make_line(file)
    line.update(loss=0.5, accuracy=0.75, step=1, seconds=0.5, wait_share=0.0)
    assert file.getvalue() == ""  # no control characters in a log
    assert "step 1/20" in capsys.readouterr().out


def test_an_invisible_line_is_silent(capsys):
    line = ProgressLine(num_epochs=1, steps_per_epoch=1, batch_size=1, visible=False)
    line.start_epoch(0)
    line.say("anything")
    line.close()
    assert capsys.readouterr() == ("", "")
