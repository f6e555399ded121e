"""The web application: a run's findings, one photo at a time, and a form that decides."""

import io
from collections.abc import Mapping

from flask import Flask, Response, abort, jsonify, redirect, request

from jaxcnn.data.decisions.decision_log import DecidedMeanwhileError
from jaxcnn.data.decisions.decision_table import DecisionError
from jaxcnn.data.decode import DecodeError
from jaxcnn.photos.cleaning.facts import Place, next_place, page_facts, read_place
from jaxcnn.photos.cleaning.review import Review
from jaxcnn.photos.server.overlay import Explain, draw_overlay
from jaxcnn.photos.server.pictures import as_browsers_show, convert_for_browsers, send_photo
from jaxcnn.photos.server.safe_files import PhotoGoneError
from jaxcnn.photos.server.web_app import begin_app
from jaxcnn.runs.report.page import embed_picture, render_page

_PACKAGE = "jaxcnn.photos.cleaning"
_MAX_FORM_BYTES = 64 * 1024
_MISTAKES: Mapping[type[Exception], int] = {
    PhotoGoneError: 404,
    DecodeError: 415,
    DecidedMeanwhileError: 409,
    DecisionError: 503,
}


def create_cleaning_app(review: Review, explain: Explain) -> Flask:
    """Make the application.

    Args:
      review: what is looked through.
      explain: shows where the network looks, as `jaxcnn.photos.server.make_explain` gives.

    Returns:
      A WSGI application, to be served on loopback alone: its answers are for one person.
    """
    app = begin_app(_PACKAGE, _MISTAKES, max_bytes=_MAX_FORM_BYTES)
    _add_page(app, review)
    _add_decisions(app, review)
    _add_pictures(app, review, explain)
    return app


def _add_page(app: Flask, review: Review) -> None:
    @app.get("/")
    def page() -> str:
        place = _place(request.args, review)
        if place.at is None:
            place = next_place(review, place)
        facts = page_facts(review, place)
        return render_page("clean.html.jinja", package=_PACKAGE, title="Clean your photos", **facts)


def _add_decisions(app: Flask, review: Review) -> None:
    @app.post("/decide")
    def decide() -> Response:
        place = _place(request.form, review)
        if place.at is None:
            abort(400, "no photo is named.")
        _decide(review, place.at, request.form)
        done = tuple(number for number in place.done if number != place.at)
        return _go(next_place(review, place._replace(done=(*done, place.at))))

    @app.post("/undo")
    def undo() -> Response:
        place = _place(request.form, review)
        if place.at is None:
            abort(400, "no photo is named.")
        if place.at in review.decided():
            review.undo(place.at, version=_version(request.form))
        return _go(place._replace(done=tuple(n for n in place.done if n != place.at)))


def _decide(review: Review, number: int, form: Mapping[str, str]) -> None:
    """Do what a form says: keep, exclude, or the class of an index or a name."""
    choice, version = form.get("choice", ""), _version(form)
    if choice == "exclude":
        return review.exclude(number, version=version)
    names = review.findings.class_names
    label = review.items[number].label
    if choice == "named":
        label = form.get("new_label", "").strip()
        if label not in names:
            abort(400, f"{label!r} is none of the {len(names):,} classes; choose one of the list.")
    elif choice != "keep":
        if not (choice.isascii() and choice.isdecimal() and len(choice) < 10):
            abort(400, "the form says neither keep, exclude nor a class.")
        if int(choice) >= len(names):
            abort(400, "there is no such class.")
        label = names[int(choice)]
    return review.label(number, label, version=version)


def _version(form: Mapping[str, str]) -> int:
    """Read how many decisions about the photo there were when it was shown."""
    text = form.get("version", "")
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        abort(400, "the form does not say what was shown.")
    return int(text)


def _add_pictures(app: Flask, review: Review, explain: Explain) -> None:
    @app.get("/photo/<int:number>")
    def photo(number: int) -> Response:
        data = _read(review, number)
        found = as_browsers_show(io.BytesIO(data)) or convert_for_browsers(data)
        response = send_photo(found)
        response.headers["Cache-Control"] = "private, max-age=300"
        return response

    @app.get("/overlay/<int:number>/<int:class_id>")
    def overlay(number: int, class_id: int) -> Response:
        if class_id >= len(review.findings.class_names):
            abort(404, "the network has no such class.")
        found = draw_overlay(*explain(_read(review, number), class_id))
        return jsonify(map=embed_picture(found.map_png, alt="").source, words=found.words)


def _read(review: Review, number: int) -> bytes:
    if number >= len(review.names):
        abort(404, "there is no such photo on this page.")
    return review.read(number)


def _place(values: Mapping[str, str], review: Review) -> Place:
    try:
        return read_place(values, len(review.items))
    except ValueError as mistake:
        abort(400, str(mistake))


def _go(place: Place) -> Response:
    return redirect(place.url(), 303)  # type: ignore[return-value]
