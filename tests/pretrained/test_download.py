"""Downloads against a server on this machine that fails in every way that real ones do."""

import contextlib
import errno
import hashlib
import http.server
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import requests

from jaxcnn.pretrained.download import (
    DownloadError,
    OfflineError,
    connection,
    download,
    is_offline,
    sha256_of,
    transfer,
)

BODY = bytes(range(256)) * 4096  # 1 MiB
DIGEST = hashlib.sha256(BODY).hexdigest()
HALF = len(BODY) // 2
OTHER_DIGEST = "0" * 64


class Answer(NamedTuple):
    """How the server answers one request."""

    status: int = 200
    body: bytes = BODY
    cut: int | None = None  # closes the connection after this number of bytes of the answer
    stall_seconds: float = 0.0  # falls silent for so long at `cut`
    ranges: bool = True
    etag: str | None = '"v1"'
    length: bool = True
    headers: tuple[tuple[str, str], ...] = ()


class Server(http.server.ThreadingHTTPServer):
    """Gives the prepared answers in turn, the last one for ever, and notes what was asked."""

    daemon_threads = False  # so that closing waits for them, and no socket outlives its test

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = [Answer()]
        self.asked = []
        self.bytes_sent = 0
        self.closing = threading.Event()

    def url(self, path="weights.bin"):
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args):
        pass

    def do_GET(self):
        server = self.server
        server.asked.append((self.path, dict(self.headers)))
        answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        status, body, headers = self._body(answer)
        self.send_response(status)
        if answer.length:
            headers["Content-Length"] = str(len(body))
        for name, value in (headers | dict(answer.headers)).items():
            self.send_header(name, value)
        self.end_headers()
        sent = body if answer.cut is None else body[: answer.cut]
        with contextlib.suppress(ConnectionError):  # a client that was killed has gone
            self.server.bytes_sent += len(sent)  # first: the client may look when it has them all
            self.wfile.write(sent)
            server.closing.wait(answer.stall_seconds)

    def _body(self, answer):
        if answer.status != 200:
            return answer.status, b"no", {}
        headers = {"ETag": answer.etag} if answer.etag else {}
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") in (None, answer.etag)
        if not (asked and same and answer.ranges):
            return 200, answer.body, headers
        start, size = int(asked[1]), len(answer.body)
        if start >= size:
            return 416, b"", {"Content-Range": f"bytes */{size}"}
        headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        return 206, answer.body[start:], headers


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.closing.set()
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    for name in ("JAXCNN_CACHE", "XDG_CACHE_HOME", "JAXCNN_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(transfer, "_BACKOFF_SECONDS", 0.0)
    monkeypatch.setattr(transfer, "_TIMEOUT_SECONDS", 5.0)


@pytest.fixture
def get(server, tmp_path, said):
    """Download the server's file into a fresh folder, without waiting between tries."""

    def call(path="weights.bin", sha256=DIGEST, **options):
        return download(server.url(path), tmp_path / "weights.bin", sha256=sha256, **options)

    return call


@pytest.fixture
def few_tries(monkeypatch):
    """How many tries a download gets from now on."""
    return lambda count: monkeypatch.setattr(transfer, "_NUM_ATTEMPTS", count)


def names(folder):
    """The files that a person would take for weights, or for a part of them."""
    return sorted(f.name for f in folder.iterdir() if not f.name.endswith((".lock", ".sha256")))


def ranges(server):
    return [headers.get("Range") for _, headers in server.asked]


def test_plain(server, get, tmp_path, said):
    path = get()
    assert path == tmp_path / "weights.bin"
    assert path.read_bytes() == BODY
    assert names(tmp_path) == ["weights.bin"]
    assert len(said) == 2
    assert "1.0 MB" in said[0]
    assert str(path) in said[1]


@pytest.mark.parametrize("digest", [DIGEST, DIGEST[:8], None])
def test_sound_cached_file_makes_no_request(server, get, digest):
    get(sha256=digest)
    get(sha256=digest, offline=True)
    assert len(server.asked) == 1


@pytest.mark.parametrize("answer", [Answer(cut=HALF), Answer(cut=HALF, etag=None)])
def test_resumes_where_it_was_cut(server, get, answer):
    server.answers = [answer, Answer()]
    assert get().read_bytes() == BODY
    assert ranges(server) == [None, f"bytes={HALF}-"]
    assert server.asked[1][1].get("If-Range") == answer.etag
    assert server.bytes_sent == len(BODY)


def test_resumes_after_a_stall(server, get, said, monkeypatch):
    monkeypatch.setattr(transfer, "_TIMEOUT_SECONDS", 0.2)
    server.answers = [Answer(cut=HALF, stall_seconds=30.0), Answer()]
    started = time.monotonic()
    assert get().read_bytes() == BODY
    assert time.monotonic() - started < 5.0
    assert ranges(server) == [None, f"bytes={HALF}-"]
    assert any("try 2 of 5" in line for line in said)


def test_resumes_in_the_next_call(server, get, tmp_path, few_tries):
    few_tries(1)
    server.answers = [Answer(cut=HALF)]
    with pytest.raises(DownloadError, match=r"goes on from the 524\.3 kB"):
        get()
    assert names(tmp_path) == ["weights.bin.part", "weights.bin.part.json"]
    assert get().read_bytes() == BODY
    assert ranges(server)[1] == f"bytes={HALF}-"


@pytest.mark.parametrize(
    ("second", "num_requests"),
    [
        (Answer(ranges=False), 2),
        (Answer(etag='"v2"'), 2),  # 200, since If-Range does not hold
        # These go on where nobody asked, in another file, or not at all.
        (Answer(headers=(("Content-Range", f"bytes 7-{len(BODY) - 1}/{len(BODY)}"),)), 3),
        (Answer(headers=(("Content-Range", f"bytes {HALF}-{HALF + 4}/{HALF + 5}"),)), 3),
        (Answer(headers=(("ETag", '"v2"'),)), 3),
        (Answer(body=BODY[: HALF - 1]), 3),
    ],
)
def test_starts_over_where_resuming_is_not_possible(server, get, second, num_requests):
    server.answers = [Answer(cut=HALF), second, Answer()]
    assert get().read_bytes() == BODY
    assert ranges(server) == [None, f"bytes={HALF}-", None][:num_requests]


def test_part_of_another_address_is_not_used(server, get, few_tries):
    few_tries(1)
    server.answers = [Answer(cut=HALF)]
    with pytest.raises(DownloadError):
        get("a/weights.bin")
    server.answers = [Answer()]
    assert get("b/weights.bin").read_bytes() == BODY
    assert ranges(server) == [None, None]


def test_part_that_nothing_vouches_for_is_not_used(server, get):
    server.answers = [Answer(cut=HALF, etag=None), Answer(etag=None)]
    assert get(sha256=None).read_bytes() == BODY
    assert ranges(server) == [None, None]


def test_complete_part_needs_no_byte(server, get, tmp_path, few_tries):
    few_tries(1)
    server.answers = [Answer(cut=HALF), Answer()]
    with pytest.raises(DownloadError):
        get()
    (tmp_path / "weights.bin.part").write_bytes(BODY)
    assert get().read_bytes() == BODY
    assert server.bytes_sent == HALF


@pytest.mark.parametrize("digest", [OTHER_DIGEST, OTHER_DIGEST[:8]])
def test_wrong_digest_leaves_nothing(server, get, tmp_path, digest):
    with pytest.raises(DownloadError, match=f"{DIGEST}, expected {digest}.*Try again") as caught:
        get(sha256=digest)
    assert server.url() in str(caught.value)
    assert names(tmp_path) == []
    assert get().read_bytes() == BODY


@pytest.mark.parametrize("digest", [None, DIGEST[:8]])
def test_digest_named_by_the_server_is_checked(server, get, tmp_path, digest):
    server.answers = [Answer(headers=(("X-Linked-ETag", f'"{OTHER_DIGEST}"'),))]
    with pytest.raises(DownloadError, match="as the server says"):
        get(sha256=digest)
    assert names(tmp_path) == []
    server.answers = [Answer(headers=(("X-Linked-ETag", f'"{DIGEST}"'),))]
    assert get(sha256=digest).read_bytes() == BODY


def test_digest_named_in_a_redirect_is_checked(server, get):
    there = (("Location", "/elsewhere.bin"), ("X-Linked-ETag", f'"{OTHER_DIGEST}"'))
    server.answers = [Answer(status=302, headers=there), Answer()]
    with pytest.raises(DownloadError, match="as the server says"):
        get(sha256=None)


def test_digest_that_came_is_held_against_later_reads(server, get, tmp_path, said):
    path = get(sha256=None)
    record = (tmp_path / "weights.bin.sha256").read_text()
    assert record == f"# from {server.url()}\n{DIGEST}  weights.bin\n"
    path.write_bytes(BODY[:-1] + b"x")
    assert get(sha256=None).read_bytes() == BODY
    assert any("removed and downloaded again" in line for line in said)
    with pytest.raises(DownloadError, match="remove it to fetch it again"):
        get("other/weights.bin", sha256=None)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(cut=100), "closed early, at the last of 3 tries"),
        (Answer(length=False), "tells no size"),
    ],
)
def test_size_is_checked_without_a_digest(server, get, tmp_path, few_tries, answer, message):
    few_tries(3)
    server.answers = [answer]
    with pytest.raises(DownloadError, match=message):
        get(sha256=None)
    assert "weights.bin" not in names(tmp_path)


@pytest.mark.parametrize(("count", "message"), [(9, "closed early"), (11, "more than the 10")])
def test_bytes_are_counted_even_where_the_connection_ends_well(
    tmp_path, monkeypatch, count, message
):
    chunks = iter([b"x" * count, b""])
    monkeypatch.setattr(transfer, "read_arrived", lambda response: next(chunks))
    wanted = SimpleNamespace(
        path=tmp_path / "w", part=tmp_path / "w.part", sha256="0", address="https://a/w"
    )
    response = SimpleNamespace(status_code=200, headers={"Content-Length": "10"})
    with pytest.raises(transfer.InterruptedTryError, match=message):
        transfer._receive(wanted, response, 0)


@pytest.mark.parametrize("status", [401, 403, 404, 410, 400])
def test_refusal_fails_at_once(server, get, status):
    server.answers = [Answer(status=status)]
    with pytest.raises(DownloadError, match=rf"weights\.bin answered {status}: "):
        get()
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [500, 503, 429])
def test_passing_trouble_is_tried_again(server, get, status):
    server.answers = [Answer(status=status), Answer(status=status), Answer()]
    assert get().read_bytes() == BODY
    assert len(server.asked) == 3


def test_waits_longer_with_each_try_and_as_the_server_asks(server, get, monkeypatch):
    waits = []
    monkeypatch.setattr(transfer.time, "sleep", waits.append)
    monkeypatch.setattr(transfer, "_BACKOFF_SECONDS", 1.0)
    busy = Answer(status=503)
    patient = Answer(status=429, headers=(("Retry-After", "9"),))
    server.answers = [busy, busy, patient, Answer(status=429, headers=(("Retry-After", "9999"),))]
    with pytest.raises(DownloadError, match="answered 429"):
        get()
    assert waits == [1.0, 2.0, 9.0, 30.0]


def test_unreachable_server(get, server, few_tries):
    few_tries(2)
    server.answers = [Answer(status=302, headers=(("Location", "http://127.0.0.1:1/a?key=s3"),))]
    with pytest.raises(DownloadError, match=r"not reached.*check the network") as caught:
        get()
    assert "s3" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("kept", [b"damaged", BODY + b"x", b""])
def test_damaged_cached_file_is_replaced(server, get, tmp_path, said, kept):
    (tmp_path / "weights.bin").write_bytes(kept)
    assert get().read_bytes() == BODY
    assert "removed" in said[0]


def test_offline(server, get, tmp_path, monkeypatch):
    monkeypatch.setenv("JAXCNN_OFFLINE", "1")
    with pytest.raises(OfflineError, match=r"weights\.bin is wanted") as caught:
        get("weights.bin?token=s3cret")
    assert server.url() in str(caught.value)
    assert str(tmp_path / "weights.bin") in str(caught.value)
    assert "s3cret" not in str(caught.value)
    (tmp_path / "weights.bin").write_bytes(b"damaged")
    with pytest.raises(OfflineError, match="SHA-256 is"):
        get()
    assert (tmp_path / "weights.bin").read_bytes() == b"damaged"
    (tmp_path / "weights.bin").write_bytes(BODY)  # as the message asked
    assert get() == get(sha256=None) == tmp_path / "weights.bin"
    assert server.asked == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("JAXCNN_OFFLINE", "1", True),
        ("JAXCNN_OFFLINE", "Yes", True),
        ("HF_HUB_OFFLINE", "true", True),
        ("JAXCNN_OFFLINE", "0", False),
        ("HF_HUB_OFFLINE", "", False),
    ],
)
def test_is_offline(monkeypatch, name, value, expected):
    assert not is_offline()
    monkeypatch.setenv(name, value)
    assert is_offline() is expected


def test_folder_is_made(server, tmp_path):
    path = tmp_path / "new" / "cache" / "weights.bin"
    assert download(server.url(), path, sha256=DIGEST) == path
    assert path.read_bytes() == BODY


def test_two_processes_download_once(server, tmp_path):
    server.answers = [Answer(cut=HALF, stall_seconds=1.0), Answer()]  # time for both to start
    code = (
        "import logging, sys; logging.basicConfig(level=logging.INFO, stream=sys.stdout)\n"
        "from jaxcnn.pretrained.download import download; from pathlib import Path\n"
        "download(sys.argv[1], Path(sys.argv[2]), sha256=sys.argv[3])"
    )
    command = [
        sys.executable,
        "-W",
        "error",
        "-c",
        code,
        server.url(),
        str(tmp_path / "weights.bin"),
        DIGEST,
    ]
    options = {"stdout": subprocess.PIPE, "text": True, "cwd": Path(__file__).parents[2]}
    with subprocess.Popen(command, **options) as one, subprocess.Popen(command, **options) as two:
        spoken = one.communicate()[0] + two.communicate()[0]
    assert (one.returncode, two.returncode) == (0, 0)
    assert spoken.count("downloaded ") == 1
    assert server.bytes_sent == len(BODY)


def test_threads_download_once_and_the_second_says_that_it_waits(server, get, said):
    server.answers = [Answer(cut=HALF, stall_seconds=0.3), Answer()]
    threads = [threading.Thread(target=get) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.bytes_sent == len(BODY)
    assert sum("waiting for another process" in line for line in said) == 1


def test_killed_in_the_middle_leaves_only_the_part(server, get, tmp_path, monkeypatch):
    server.answers = [Answer(cut=HALF), Answer()]

    def kill(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(transfer.time, "sleep", kill)
        with pytest.raises(KeyboardInterrupt):
            get()
    assert names(tmp_path) == ["weights.bin.part", "weights.bin.part.json"]
    assert json.loads((tmp_path / "weights.bin.part.json").read_text())["validator"] == '"v1"'
    assert get().read_bytes() == BODY
    assert server.bytes_sent == len(BODY)


def test_what_may_be_secret_in_an_address_is_told_nowhere(get, tmp_path, said):
    get("a/name.bin?token=s3cret#part")
    assert "s3cret" not in "".join(said) + "".join(f.read_text() for f in tmp_path.glob("*256"))


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://me:s3cret@h/a.bin", "http:///a.bin", "weights.bin"]
)
def test_what_is_no_address_of_the_web_is_refused(tmp_path, url):
    with pytest.raises(DownloadError, match=r"cannot be fetched.*check the address") as caught:
        download(url, tmp_path / "a.bin", sha256=DIGEST)
    assert "s3cret" not in str(caught.value)
    assert not (tmp_path / "a.bin").exists()


def test_disk_full(server, get, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(transfer.os, "fsync", full)
        with pytest.raises(DownloadError, match=r"the disk is full; free some space.*JAXCNN_CACHE"):
            get()
    assert "weights.bin" not in names(tmp_path)
    assert get().read_bytes() == BODY
    assert server.bytes_sent == len(BODY)


def test_folder_that_cannot_be_made(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadError, match="Not a directory; make the folder writable, or name"):
        download(server.url(), tmp_path / "file" / "cache" / "weights.bin", sha256=DIGEST)
    assert server.asked == []


def test_redirects_are_followed_but_not_away_from_https(server, get):
    server.answers = [Answer(status=302, headers=(("Location", "/real?key=s3"),)), Answer()]
    assert get().read_bytes() == BODY
    assert [path for path, _ in server.asked] == ["/weights.bin", "/real?key=s3"]

    answer = requests.Response()
    answer.status_code, answer.url = 302, "https://h/a.bin?key=s3"
    answer.raw = io.BytesIO()
    with connection.Session() as session:
        answer.headers["Location"] = "//cdn/b.bin"
        assert session.get_redirect_target(answer) == "//cdn/b.bin"
        answer.headers["Location"] = "http://cdn/b.bin?key=s3"
        with pytest.raises(DownloadError, match=r"unprotected http://cdn/b\.bin, which is refused"):
            session.get_redirect_target(answer)


@pytest.mark.parametrize("location", ["file:///etc/passwd", "/weights.bin"])
def test_redirects_to_nowhere_fail_at_once(server, get, location):
    server.answers = [Answer(status=302, headers=(("Location", location),))]
    with pytest.raises(DownloadError, match="cannot be fetched"):
        get()


def test_bar_on_a_terminal_only(server, get, said, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    get()
    assert re.search(r"weights\.bin: 100%.*1\.05M/1\.05M \[.*B/s\]", terminal.getvalue())
    assert said == []


def test_sha256_of(tmp_path):
    (tmp_path / "a").write_bytes(BODY)
    assert sha256_of(tmp_path / "a") == DIGEST
