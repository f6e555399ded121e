"""What no page of its own would ask is refused, and nothing but the photos can be read."""

import os

import pytest

from jaxcnn.data.decisions.decision_table import read_decisions

from .conftest import BLUE, HOST, HOSTILE, photo

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
FORM = {"at": "0", "version": "0", "choice": "exclude"}


@pytest.mark.parametrize("url", ["/", "/?at=1", "/none", "/static/clean.js", "/?at=x", "/?kind=x"])
def test_every_answer_says_what_a_browser_may_do(client, url):
    with client.get(url) as response:
        assert response.data
    policy = dict(
        p.strip().split(" ", 1) for p in response.headers["Content-Security-Policy"].split(";")
    )
    assert POLICY.items() <= policy.items()
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert not [name for name, _ in response.headers if name.startswith("Access-Control")]


def test_a_photo_alone_can_run_nothing(client):
    with client.get("/photo/0") as response:
        assert "sandbox" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "192.168.0.7:8501", "[::1]:8501", "", "a b"],
)
@pytest.mark.parametrize("url", ["/", "/photo/0", "/static/clean.js"])
def test_other_hosts_are_refused(client, host, url):
    response = client.get(url, headers={"Host": host})
    assert response.status_code == 400
    assert b"looked at" not in response.data


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:8502", **HOST}, 403),
        ({"Origin": "https://127.0.0.1:8501", **HOST}, 403),
        ({"Host": "evil.example"}, 400),
        ({"Origin": "http://127.0.0.1:8501", **HOST}, 303),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}, 303),
    ],
)
def test_other_sites_decide_nothing(client, review, headers, status):
    assert client.post("/decide", data=FORM, headers=headers).status_code == status
    assert len(read_decisions(review.log.path)) == (status == 303)


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}])
def test_other_sites_take_back_nothing(client, review, headers):
    review.exclude(0)
    form = {"at": "0", "version": "1"}
    assert client.post("/undo", data=form, headers=headers).status_code in (400, 403)
    assert len(read_decisions(review.log.path)) == 1


PATHS = [
    "/photo/../secret.jpg",
    "/photo/..%2fsecret.jpg",
    "/photo/%2e%2e/%2e%2e/secret.jpg",
    "/photo//etc/passwd",
    "/photo/%2fetc%2fpasswd",
    "/photo/1%00.jpg",
    "/photo/1.0",
    "/photo/-1",
    "/photo/5",
    "/photo/" + "9" * 400,
    "/overlay/0",
    "/overlay/0/3",
    "/overlay/0/-1",
    "/overlay/9/0",
    "/static/../app.py",
    "/static/..%2fapp.py",
    "/static/%2fetc%2fpasswd",
    "/..%2f..%2fetc%2fpasswd",
    "/decisions.csv",
    "/%00",
]


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p[:40])
def test_no_path_leads_out(client, path, tmp_path):
    (tmp_path / "secret.jpg").write_bytes(photo(BLUE, seed=9))
    response = client.get(path, follow_redirects=True)
    assert response.status_code in (400, 404)
    assert photo(BLUE, seed=9) not in response.data
    assert b"root:" not in response.data


@pytest.mark.parametrize(
    ("method", "url"),
    [
        *[(m, "/") for m in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS")],
        *[(m, "/photo/0") for m in ("POST", "DELETE")],
        *[("GET", url) for url in ("/decide", "/undo")],
        ("DELETE", "/decide"),
    ],
)
def test_other_methods_are_refused(client, review, method, url):
    assert client.open(url, method=method, data=FORM).status_code == 405
    assert read_decisions(review.log.path) == {}


@pytest.mark.parametrize("how", ["changed", "link", "gone"])
@pytest.mark.parametrize("kind", ["photo", "overlay"])
def test_what_has_changed_since_it_was_judged_is_refused(client, folder, how, kind, tmp_path):
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(photo(BLUE, seed=9))
    if how == "changed":
        (folder / "0").write_bytes(photo(BLUE, seed=9))
    else:
        os.unlink(folder / "0")
    if how == "link":
        (folder / "0").symlink_to(secret)
    response = client.get(f"/{kind}/0" + "/1" * (kind == "overlay"))
    assert response.status_code == 404
    assert "was moved, deleted or changed since it was judged" in response.text
    assert str(folder.parent) not in response.text
    assert photo(BLUE, seed=9) not in response.data


def test_a_long_form_is_refused(client, review):
    response = client.post("/decide", data=FORM | {"new_label": "x" * 100_000})
    assert response.status_code == 413
    assert read_decisions(review.log.path) == {}


def test_hostile_names_are_text(client):
    page = client.get("/?at=1").text
    assert "&lt;img src=x onerror=alert(2)&gt;" in page
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert(1)" not in page
