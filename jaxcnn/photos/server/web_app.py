"""What the applications of all local pages begin with: guards, the common style, and problems."""

import functools
import importlib.resources
from collections.abc import Mapping

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from jaxcnn.photos.server.guards import guard
from jaxcnn.runs.report.page import render_page


def begin_app(package: str, mistakes: Mapping[type[Exception], int], *, max_bytes: int) -> Flask:
    """Make an application without a page.

    Args:
      package: the importable package that has its folders `static` and `templates`, among them
        "problem.html.jinja".
      mistakes: the status that each kind of error is answered with; its text is shown.
      max_bytes: a longer request is refused.

    Returns:
      A WSGI application, to be served on loopback alone: its answers are for one person.
    """
    app = Flask(package, static_folder="static", template_folder=None)
    guard(app, max_upload_bytes=max_bytes)

    @app.get("/static/base.css")  # the one file that local pages have in common with a run's page
    def base_style() -> Response:
        templates = importlib.resources.files("jaxcnn.runs.report") / "templates"
        return Response((templates / "style.css").read_bytes(), mimetype="text/css")

    app.register_error_handler(HTTPException, functools.partial(_tell, package))
    for kind, status in mistakes.items():
        app.register_error_handler(kind, functools.partial(_problem, package, status))
    return app


def _tell(package: str, error: HTTPException) -> Response:
    text = error.description or error.name
    if isinstance(error, RequestEntityTooLarge):
        limit = request.max_content_length or 0
        text = f"the upload is too large; at most {limit / 1e6:.0f} MB are read."
    response = _problem(package, error.code or 500, text)
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value  # Allow, where the method was wrong
    return response


def _problem(package: str, status: int, reason: object) -> Response:
    """Tell what is wrong: as a page to a person, as plain text to the page's own script."""
    text = str(reason).encode("utf-8", "replace").decode()  # names need not be text
    if text.partition(" ")[0].isalpha():  # a word; the name of a file stays as it is
        text = text[:1].upper() + text[1:]
    if request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate":
        return Response(text, status, content_type="text/plain; charset=utf-8")
    page = render_page(
        "problem.html.jinja", package=package, title="That did not work", message=text
    )
    return Response(page, status)
