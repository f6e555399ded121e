import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from jaxcnn.host.signals import Interrupted, SignalWatch


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_noted_and_the_old_handlers_come_back(number):
    before = signal.getsignal(number)
    with SignalWatch() as watch:
        assert watch.received is None
        os.kill(os.getpid(), number)
        assert watch.received == number
    assert signal.getsignal(number) is before


@pytest.fixture
def usual_ctrl_c():
    """Let SIGINT raise KeyboardInterrupt, also where a shell started the tests with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("usual_ctrl_c")
def test_a_second_ctrl_c_acts_as_usual_but_not_the_same_one_sent_twice():
    with SignalWatch() as watch:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert watch.received == signal.SIGINT
        time.sleep(0.3)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_outside_the_main_thread_nothing_is_watched():
    handlers = []

    def watch():
        with SignalWatch():
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGTERM)]


def test_the_message_names_signal_and_step():
    assert str(Interrupted(signal.SIGTERM, step=12)) == "SIGTERM received; saved at step 12."


BUSY = """
import hashlib, signal, sys, time
from jaxcnn.host.signals import end_at_second_signal, end_interrupted
signal.signal(signal.SIGINT, signal.default_int_handler)
end_at_second_signal()
end_at_second_signal()
print("busy", flush=True)
try:
    if sys.argv[1] == "python":
        time.sleep(60)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**30)  # compiled code, as XLA's, for minutes
except KeyboardInterrupt:
    end_interrupted("stopped.")
"""


@pytest.mark.parametrize(
    ("busy_in", "waits", "says"),
    [
        ("python", [0.3], b"stopped.\n"),
        ("python", [0.3, 0, 0], b"stopped.\n"),  # one stop, sent to the process and its group
        ("c", [0.3, 0.3], b""),
    ],
)
def test_one_ctrl_c_ends_a_program_and_a_second_one_even_where_python_cannot_act(
    busy_in, waits, says
):
    command = [sys.executable, "-c", BUSY, busy_in]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as program:
        program.stdout.readline()
        for seconds in waits:
            time.sleep(seconds)
            program.send_signal(signal.SIGINT)
        assert program.wait(timeout=60) == 130
        assert program.stderr.read() == says
