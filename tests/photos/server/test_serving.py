"""What comes over the wire: raw requests, a port that is taken, and Ctrl-C."""

import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jaxcnn.photos.server.serving import PortTakenError, bind, make_server

from .conftest import BLUE, MAX_UPLOAD_BYTES, photo

ROOT = Path(__file__).parents[3]


@pytest.fixture
def port(app):
    bound = bind(0)
    server = make_server(app, bound)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield bound.getsockname()[1]
    server.trigger.pull_trigger(server.close)
    thread.join(60)
    bound.close()


def ask(port, request):
    """Send bytes, and read all that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request)
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
        except ConnectionResetError:  # it was refused before all of it was read
            pass
    return answer


def request(first, *headers, body=b""):
    return "\r\n".join([first, *headers, "Connection: close", "", ""]).encode() + body


OWN = "Host: 127.0.0.1:8500"


def test_it_is_bound_to_loopback_alone():
    with bind(0) as bound:
        assert bound.getsockname()[0] == "127.0.0.1"


def test_a_page_comes(port):
    answer = ask(port, request("GET / HTTP/1.1", OWN))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"5 photos in one folder" in answer
    assert b"\r\nServer:" not in answer


def test_a_photo_comes_whole(port, ids, folder):
    answer = ask(port, request(f"GET /photo/{ids['a.jpg']} HTTP/1.1", OWN))
    assert answer.endswith(b"\r\n\r\n" + (folder / "a.jpg").read_bytes())


REFUSED = {
    "another host": (request("GET / HTTP/1.1", "Host: evil.example"), b"400"),
    "no host": (request("GET / HTTP/1.1"), b"400"),
    "no host, old": (request("GET / HTTP/1.0"), b"400"),
    "two hosts": (request("GET / HTTP/1.1", "Host: evil.example", OWN), b"400"),
    "host by address": (request("GET http://evil.example/ HTTP/1.1", "Host: evil.example"), b"400"),
    "upwards": (request("GET /../../../etc/passwd HTTP/1.1", OWN), b"404"),
    "upwards, without a slash": (request("GET ../../etc/passwd HTTP/1.1", OWN), b"40"),
    "upwards, encoded": (request("GET /photo/..%2f..%2fsecret.jpg HTTP/1.1", OWN), b"404"),
    "upwards, backwards": (request("GET /static/..\\..\\app.py HTTP/1.1", OWN), b"404"),
    "file address": (request("GET file:///etc/passwd HTTP/1.1", OWN), b"40"),
    "no method": (request("/ HTTP/1.1", OWN), b"400"),
    "odd method": (request("BREW / HTTP/1.1", OWN), b"405"),
    "NUL": (request("GET /\0 HTTP/1.1", OWN), b"40"),
    "no number": (request("POST /drop HTTP/1.1", OWN, "Content-Length: x"), b"400"),
    "negative": (request("POST /drop HTTP/1.1", OWN, "Content-Length: -5"), b"400"),
    "two lengths": (
        request("POST /drop HTTP/1.1", OWN, "Content-Length: 4", "Content-Length: 5", body=b"abcd"),
        b"400",
    ),
    "length and chunks": (
        request(
            "POST /drop HTTP/1.1", OWN, "Content-Length: 4", "Transfer-Encoding: x", body=b"abcd"
        ),
        b"501",
    ),
    "a terabyte": (
        request(
            "POST /drop HTTP/1.1",
            OWN,
            "Content-Type: multipart/form-data; boundary=x",
            "Content-Length: 1000000000000",
        ),
        b"413",
    ),
    "long headers": (request("GET / HTTP/1.1", OWN, "X: " + "x" * 100_000), b"431"),
}


@pytest.mark.parametrize(("raw", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_hostile_requests_are_refused(port, raw, status):
    answer = ask(port, raw)
    assert answer.startswith((b"HTTP/1.1 " + status, b"HTTP/1.0 " + status)), answer[:200]
    assert b"root:" not in answer
    assert photo(BLUE, seed=9) not in answer
    assert b"photos in" not in answer
    assert b"Traceback" not in answer


def test_chunks_are_bounded_too(port):
    """Without a length in its header, an upload is counted as it comes."""
    chunk = b"%x\r\n" % 200_000 + bytes(200_000) + b"\r\n"
    body = chunk * (MAX_UPLOAD_BYTES // 200_000 + 1) + b"0\r\n\r\n"
    head = request(
        "POST /drop HTTP/1.1",
        OWN,
        "Content-Type: multipart/form-data; boundary=x",
        "Transfer-Encoding: chunked",
    )
    assert ask(port, head + body).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("number", [-1, 65536])
def test_a_port_out_of_range_is_refused(number):
    with pytest.raises(PortTakenError, match=rf"port \(={number}\)"):
        bind(number)


def test_a_taken_port_is_told():
    with bind(0) as first:
        number = first.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"port \(={number}\) .*another"):
            bind(number)


def serve(index, port=0):
    """Start the program's server with the network left out, which takes long to load."""
    code = (
        "import sys, flask; from pathlib import Path; from jaxcnn.cli import photo_page; "
        "photo_page._make_app = lambda index: flask.Flask('none'); "
        "flask.Flask.default_config = {**flask.Flask.default_config, 'MAX_CONTENT_LENGTH': 9}; "
        f"photo_page.serve(Path({str(index.path)!r}), {port})"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_cleanly(index, number):
    with serve(index) as process:
        try:
            line = process.stdout.readline()
            assert "5 photos at http://127.0.0.1:" in line
            process.send_signal(number)
            _, errors = process.communicate(timeout=300)
        finally:
            process.kill()  # where it did not end by itself
    assert process.returncode == 0
    assert errors.splitlines() == ["loading the network ...", "ended."]


def test_a_taken_port_ends_the_program_in_one_line(index):
    with bind(0) as taken:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "jaxcnn", "photos", "serve"),
                *(f"--index={index.path}", f"--port={taken.getsockname()[1]}"),
            ],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=300,
        )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: --port (=")
