"""The web application: an index of photos, searched and looked at in a browser."""

from collections.abc import Mapping

from flask import Flask, Response, abort, jsonify, redirect, request

from jaxcnn.data.decode import DecodeError
from jaxcnn.host.text import counted
from jaxcnn.photos.index_format import PhotoIndexError
from jaxcnn.photos.index_reader import PhotoIndex
from jaxcnn.photos.labelling import Labeller
from jaxcnn.photos.server.answers import answer_page, answer_tiles, common_labels, label_url
from jaxcnn.photos.server.library import NetworkChangedError, NotCachedError, PhotoLibrary
from jaxcnn.photos.server.overlay import Explain
from jaxcnn.photos.server.pictures import send_photo
from jaxcnn.photos.server.query import MAX_WORDS, PageQuery, read_query
from jaxcnn.photos.server.safe_files import PhotoGoneError
from jaxcnn.photos.server.web_app import begin_app
from jaxcnn.photos.words import UnknownWordError
from jaxcnn.runs.report.page import embed_picture, render_page

MAX_UPLOAD_BYTES = 64 * 2**20
_PACKAGE = "jaxcnn.photos.server"
_PROBABILITIES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9)
_MISTAKES: Mapping[type[Exception], int] = {
    PhotoGoneError: 404,
    NotCachedError: 404,
    DecodeError: 415,
    NetworkChangedError: 409,
    PhotoIndexError: 503,
    UnknownWordError: 404,
}


def create_app(
    index: PhotoIndex,
    labeller: Labeller,
    explain: Explain,
    *,
    max_upload_bytes: int = MAX_UPLOAD_BYTES,
) -> Flask:
    """Make the application.

    Args:
      index: the index, open for reading.
      labeller: the network that made it, to look at photos that are dropped.
      explain: shows where the network looks, as `make_explain` gives.
      max_upload_bytes: a larger upload is refused.

    Returns:
      A WSGI application, to be served on loopback alone: its answers are for one person.
    """
    app = begin_app(_PACKAGE, _MISTAKES, max_bytes=max_upload_bytes)
    library = PhotoLibrary(index, labeller, explain)
    _add_pages(app, library, max_upload_bytes)
    _add_pictures(app, library)
    return app


def _add_pages(app: Flask, library: PhotoLibrary, max_upload_bytes: int) -> None:
    @app.get("/")
    def page() -> str:
        query = _query()
        return render_page(
            "gallery.html.jinja",
            package=_PACKAGE,
            title=f"{query.words} | your photos" if query.words else "Your photos",
            about=describe_index(library.index),
            common=common_labels(library.index),
            label_url=label_url,
            probabilities=_probability_choices(query),
            max_words=MAX_WORDS,
            max_upload_bytes=max_upload_bytes,
            **answer_page(library, query),
        )

    @app.get("/tiles")
    def tiles() -> str:
        facts = answer_tiles(library, _query())
        return render_page("tiles.html.jinja", package=_PACKAGE, **facts)

    @app.post("/drop")
    def drop() -> Response:
        file = request.files.get("photo")
        if file is None:
            abort(400, "no photo came; choose a file.")
        name = file.filename or "the photo"
        url = PageQuery(like=library.drop(file.read(), name)).url()
        if request.accept_mimetypes.best == "application/json":
            return jsonify(url=url)
        return redirect(url, 303)  # type: ignore[return-value]


def _add_pictures(app: Flask, library: PhotoLibrary) -> None:
    @app.get("/thumbnail/<int:photo_id>")
    def thumbnail(photo_id: int) -> Response:
        response = Response(library.thumbnail(photo_id), content_type="image/jpeg")
        response.headers["Cache-Control"] = "private, max-age=300"
        return response

    @app.get("/photo/<int:photo_id>")
    def photo(photo_id: int) -> Response:
        return send_photo(library.original(photo_id))

    @app.get("/overlay/<int:photo_id>/<int:class_id>")
    def overlay(photo_id: int, class_id: int) -> Response:
        if class_id >= len(library.index.network.class_names):
            abort(404, "the network has no such class.")
        found = library.overlay(photo_id, class_id)
        drawn = embed_picture(found.map_png, alt="").source
        return jsonify(map=drawn, words=found.words, above=found.is_low)


def describe_index(index: PhotoIndex) -> str:
    """Say how much an index holds and from where."""
    count, folders = index.count(), index.folders()
    where = f"{len(folders)} folders" if len(folders) > 1 else "one folder"
    classes = len(index.network.class_names)
    photos = counted(count, "photo")
    return f"{photos} in {where}, labelled by a network that knows {classes:,} classes."


def _query() -> PageQuery:
    try:
        return read_query(request.args)
    except ValueError as mistake:
        abort(400, str(mistake))


def _probability_choices(query: PageQuery) -> list[tuple[str, str]]:
    values = sorted({*_PROBABILITIES, query.min_probability})
    return [(f"{value:g}", f"{100 * value:g} %") for value in values]
