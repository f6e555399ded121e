"""What no page of its own would ask is refused, and nothing outside the folders can be read."""

import io
import zlib

import pytest
from PIL import Image

from .conftest import BLUE, HOST, MAX_UPLOAD_BYTES, RED, photo

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


def secret(response):
    with response:
        return photo(BLUE, seed=9) in response.data or b"root:" in response.data


@pytest.mark.parametrize(
    "url", ["/", "/?q=nosuchword", "/tiles?q=dog", "/none", "/static/photos.js", "/?page=x"]
)
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
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert not [name for name, _ in response.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8500",
        "192.168.0.7:8500",
        "0.0.0.0:8500",
        "[::1]:8500",
        "127.0.0.1@evil.example",
        "",
        "127.0.0.1:99999999",
        "a b",
    ],
)
@pytest.mark.parametrize("url", ["/", "/thumbnail/1", "/static/photos.js", "/none"])
def test_other_hosts_are_refused(client, host, url):
    response = client.get(url, headers={"Host": host})
    assert response.status_code == 400
    assert b"photos in" not in response.data


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8500", "localhost:1", "localhost"])
def test_own_hosts_are_not(client, host):
    assert client.get("/", headers={"Host": host}).status_code == 200


def test_a_request_without_a_host_is_refused(app):
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "SERVER_NAME": "waitress.invalid",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "SERVER_PROTOCOL": "HTTP/1.0",
        "wsgi.errors": io.StringIO(),
    }
    seen = []
    body = b"".join(app(environ, lambda status, headers: seen.append(status)))
    assert seen[0].startswith("400")
    assert b"photos in" not in body


@pytest.mark.parametrize(
    ("headers", "url", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, "/thumbnail/1", 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, "/tiles", 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, "/photo/1", 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, "/", 403),
        ({"Origin": "http://evil.example"}, "/tiles", 403),
        ({"Origin": "null"}, "/tiles", 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, "/", 200),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, "/tiles", 200),
        ({"Origin": "http://127.0.0.1:8500", **HOST}, "/tiles", 200),
        ({"Origin": "http://127.0.0.1:8501", **HOST}, "/tiles", 403),
        # What begins as we do, or as which we begin, is somebody else.
        ({"Origin": "http://127.0.0.1:85000", **HOST}, "/tiles", 403),
        ({"Origin": "http://127.0.0.1:8500.evil.example", **HOST}, "/tiles", 403),
        ({"Origin": "http://127.0.0.1:850", **HOST}, "/tiles", 403),
        ({"Origin": "http://127.0.0.1", **HOST}, "/tiles", 403),
        ({"Origin": "https://127.0.0.1:8500", **HOST}, "/tiles", 403),
        ({"Origin": "", **HOST}, "/tiles", 403),
        ({"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, "/photo/1", 200),
    ],
)
def test_other_sites_are_refused(client, headers, url, status):
    with client.get(url, headers=headers) as response:
        assert response.status_code == status


def test_other_sites_cannot_drop_photos(client):
    for headers in (
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Origin": "http://evil.example"},
    ):
        data = {"photo": (io.BytesIO(photo(RED)), "x.jpg")}
        assert client.post("/drop", data=data, headers=headers).status_code == 403


PATHS = [
    "/photo/../secret.jpg",
    "/photo/..%2fsecret.jpg",
    "/photo/..%252fsecret.jpg",
    "/photo/%2e%2e/%2e%2e/secret.jpg",
    "/photo/..%5c..%5csecret.jpg",
    "/photo//etc/passwd",
    "/photo/%2fetc%2fpasswd",
    "/photo/file:%2f%2f%2fetc%2fpasswd",
    "/photo/1%00.jpg",
    "/photo/1%2f..%2f..%2fsecret.jpg",
    "/photo/%c0%ae%c0%ae/secret.jpg",
    "/photo/1.0",
    "/photo/0x1",
    "/photo/-1",
    "/photo/+1",
    "/photo/1e0",
    "/photo/",
    "/photo/0",
    "/photo/99999",
    "/photo/9223372036854775807",
    "/photo/9223372036854775808",
    "/photo/" + "9" * 400,
    "/photo/1;ls",
    "/photo/1 OR 1=1",
    "/photo/1'--",
    "/thumbnail/" + "9" * 30,
    "/thumbnail/..%2f..%2fsecret.jpg",
    "/overlay/1",
    "/overlay/1/3",
    "/overlay/1/99999999999999999999999",
    "/overlay/1/-1",
    "/overlay/99999/0",
    "/static/../app.py",
    "/static/..%2fapp.py",
    "/static/%2fetc%2fpasswd",
    "/static/photos.js%00.css",
    "/static/",
    "/..%2f..%2fetc%2fpasswd",
    "//etc/passwd",
    "/%00",
]


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p[:40])
def test_no_path_leads_out(client, path):
    response = client.get(path, follow_redirects=True)
    assert response.status_code in (400, 404)
    assert not secret(response)


@pytest.mark.parametrize("query", ["q=%00", "q=a%00b", "like=%00", "%00=1", "page=%00"])
def test_nul_characters_are_refused(client, query):
    for url in ("/", "/tiles"):
        assert client.get(f"{url}?{query}").status_code == 400


@pytest.mark.parametrize("query", ["q=%ff%fe", "q=%F0%9F", "q=%", "q=%zz", "&&==&", "q[]=1"])
def test_broken_queries_do_no_harm(client, query):
    assert client.get(f"/?{query}").status_code in (200, 400)


@pytest.mark.parametrize("kind", ["photo", "thumbnail", "overlay"])
@pytest.mark.parametrize("how", ["link", "folder", "gone", "fifo"])
def test_what_has_changed_since_it_was_indexed_is_refused(client, ids, folder, how, kind):
    import os

    file = folder / "inner" / "c.tif"
    if how == "folder":
        (folder / "inner").rename(folder.parent / "elsewhere")
        (folder / "inner").symlink_to(folder.parent / "elsewhere")
        # What lies elsewhere is shown while its bytes are those that were indexed.
        file.write_bytes((folder.parent / "secret.jpg").read_bytes())
    else:
        file.unlink()
    if how == "link":
        file.symlink_to(folder.parent / "secret.jpg")
    elif how == "fifo":
        os.mkfifo(file)
    tail = "/0" if kind == "overlay" else ""
    response = client.get(f"/{kind}/{ids['c.tif']}{tail}")
    assert response.status_code == 404
    assert str(folder.parent) not in response.text
    assert not secret(response)


@pytest.mark.parametrize(
    ("method", "url"),
    [
        *[(m, "/") for m in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")],
        *[(m, "/photo/1") for m in ("POST", "DELETE")],
        ("GET", "/drop"),
        ("PUT", "/drop"),
        ("DELETE", "/tiles"),
    ],
)
def test_other_methods_are_refused(client, method, url):
    response = client.open(url, method=method)
    assert response.status_code == 405
    assert "GET" in response.headers["Allow"] or "POST" in response.headers["Allow"]


def post(client, data, content_type, **more):
    return client.post("/drop", data=data, content_type=content_type, **more)


def test_an_upload_that_is_too_large_is_refused_clearly(client):
    data = {"photo": (io.BytesIO(bytes(MAX_UPLOAD_BYTES + 1)), "x.jpg")}
    response = client.post("/drop", data=data, headers={"Sec-Fetch-Mode": "cors"})
    assert response.status_code == 413
    assert response.content_type.startswith("text/plain")
    assert "at most 0 MB" in response.text


MALFORMED = {
    "no body": (b"", "multipart/form-data; boundary=x"),
    "no boundary": (b"--x\r\n", "multipart/form-data"),
    "another boundary": (b"--y\r\n\r\n", "multipart/form-data; boundary=x"),
    "no end": (
        b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\nabc',
        "multipart/form-data; boundary=x",
    ),
    "no headers": (b"--x\r\n\r\nabc\r\n--x--\r\n", "multipart/form-data; boundary=x"),
    "a field, not a file": (
        b'--x\r\nContent-Disposition: form-data; name="photo"\r\n\r\nabc\r\n--x--\r\n',
        "multipart/form-data; boundary=x",
    ),
    "another name": (
        b'--x\r\nContent-Disposition: form-data; name="p"; filename="a"\r\n\r\nabc\r\n--x--\r\n',
        "multipart/form-data; boundary=x",
    ),
    "many parts": (
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n' * 20 + b"--x--\r\n",
        "multipart/form-data; boundary=x",
    ),
    "a long boundary": (b"--", "multipart/form-data; boundary=" + "x" * 20_000),
    "form": (b"photo=abc", "application/x-www-form-urlencoded"),
    "JSON": (b'{"photo": "abc"}', "application/json"),
    "raw": (b"abc", "image/jpeg"),
    "no type": (b"abc", ""),
}


# Werkzeug leaves the file of a part without an end to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("data", "kind"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_uploads_are_refused(client, data, kind):
    response = post(client, data, kind)
    assert response.status_code in (400, 413), response.text


def bomb(width, height):
    """A PNG of a few kilobytes that unfolds to a gigapixel."""

    def chunk(kind, data):
        checksum = zlib.crc32(kind + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + kind + data + checksum

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10**6)))
        + chunk(b"IEND", b"")
    )


NO_PHOTOS = {
    "empty": b"",
    "text": b"abc",
    "cut off": photo(RED)[:400],
    "a bomb": bomb(40_000, 40_000),
    "a bomb below Pillow's own limit": bomb(12_000, 12_000),
    "a script": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
}


@pytest.mark.parametrize("data", NO_PHOTOS.values(), ids=NO_PHOTOS.keys())
def test_uploads_that_are_no_photos_are_refused(client, data):
    response = client.post("/drop", data={"photo": (io.BytesIO(data), "x.jpg")})
    assert response.status_code == 415
    assert "<script>" not in response.text


@pytest.mark.parametrize("kind", ["photo", "thumbnail", "overlay"])
def test_a_bomb_in_a_photos_place_is_refused(client, ids, folder, kind):
    (folder / "inner" / "c.tif").write_bytes(bomb(40_000, 40_000))
    tail = "/0" if kind == "overlay" else ""
    assert client.get(f"/{kind}/{ids['c.tif']}{tail}").status_code == 415


def test_names_of_uploads_are_text_alone(client, tmp_path):
    name = "../../../" + "x" * 5000 + "<script>\0.jpg"
    data = {"photo": (io.BytesIO(photo(RED)), name)}
    response = client.post("/drop", data=data)
    assert response.status_code == 303
    page = client.get(response.location)
    assert page.status_code == 200
    assert "<script>\0" not in page.text
    assert not list(tmp_path.glob("**/x*.jpg"))


def test_a_reader_of_hostile_photos_is_not_stopped_by_warnings(client, ids, folder):
    """Pillow warns of a bomb from a size on; the answer is the same with warnings as errors."""
    file = io.BytesIO()
    Image.new("L", (10_000, 9_500)).save(file, "PNG")
    (folder / "b.png").write_bytes(file.getvalue())
    assert client.get(f"/thumbnail/{ids['b.png']}").status_code == 415
