"""What a request must be, and what every answer says to the browser.

The server is for one person at one machine. Being bound to loopback does not keep other web pages
out: the person's own browser may be sent here by any of them. Hence these rules.
"""

from flask import Flask, Response, abort, request

HOSTS = ("127.0.0.1", "localhost")

# No script, style or picture but our own files, and no other page may hold this one in a frame.
# Pictures made by the page itself are data: URLs; a photo being dropped is shown as a blob: one.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": under it browsers send our own forms with the origin "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
}


def guard(app: Flask, *, max_upload_bytes: int) -> None:
    """Have an app refuse what no page of its own would ask, and bound what it reads.

    Args:
      app: gets its checks and headers here.
      max_upload_bytes: a longer request is refused with 413.
    """
    app.config.update(
        TRUSTED_HOSTS=list(HOSTS),
        MAX_CONTENT_LENGTH=max_upload_bytes,
        MAX_FORM_MEMORY_SIZE=64 * 1024,
        MAX_FORM_PARTS=4,
        PROVIDE_AUTOMATIC_OPTIONS=False,
    )
    app.before_request(_refuse_strangers)
    app.after_request(_add_headers)


def _refuse_strangers() -> None:
    # A name that an attacker's DNS server points at 127.0.0.1 makes his page ours in the eyes of
    # the browser, but not in the header Host. Flask compares it where it matches the route; a
    # request without the header is refused here.
    if not request.host:
        abort(400, "the request names no host.")
    if any("\0" in text for pair in request.args.items(multi=True) for text in pair):
        abort(400, "the request holds a NUL character.")
    site = request.headers.get("Sec-Fetch-Site", "none")
    follows_link = request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
    if site not in ("none", "same-origin") and not (follows_link and request.path == "/"):
        abort(403, "another web site asked for this; only this page may.")
    origin = request.headers.get("Origin")
    if origin is not None and origin != request.host_url.rstrip("/"):
        abort(403, "another web site asked for this; only this page may.")


def _add_headers(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response
