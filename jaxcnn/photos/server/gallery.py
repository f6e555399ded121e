"""Write the results of a search as one file that needs no server and no network."""

from pathlib import Path

from jaxcnn.data.decode import DecodeError
from jaxcnn.host.outputs import Output
from jaxcnn.photos.index_reader import PhotoIndex
from jaxcnn.photos.ranking import Found, Query
from jaxcnn.photos.server.answers import make_tiles, summarize
from jaxcnn.photos.server.library import CHANGED, make_thumbnail
from jaxcnn.photos.server.query import PageQuery
from jaxcnn.photos.server.safe_files import PhotoGoneError, open_inside
from jaxcnn.runs.report.page import embed_picture, render_page

MAX_PHOTOS = 500  # some 8 MB
_SIZE_PX = 224


def write_gallery(
    output: Output, index: PhotoIndex, query: Query, found: Found, *, like: str = ""
) -> int:
    """Write photos that were found as a page of one file, small pictures included.

    A photo that cannot be read any more is named, and the page says why.

    Args:
      output: the file, open.
      index: where the photos were found.
      query: what was looked for.
      found: the answer; of more than MAX_PHOTOS photos the first are written, and the page says so.
      like: what to call the photo that they are like; "" where there is none.

    Returns:
      The number of photos written.
    """
    hits = found.hits[:MAX_PHOTOS]
    tiles = make_tiles(index, hits, query.words)
    folders = index.folders()
    pictures = [_picture(hit.path, folders, index) for hit in hits]
    title = query.words or "Photos"
    page = render_page(
        "search.html.jinja",
        package="jaxcnn.photos.server",
        title=f"{title} like {like}" if like else title,
        subtitle=summarize(
            PageQuery(words=query.words),
            found.total,
            alike=query.like is not None,
            shown=len(tiles),
        ),
        classes=found.class_names,
        photos=list(zip(tiles, pictures, strict=True)),
    )
    output.write(page.encode("utf-8", "replace").decode())  # names need not be text
    return len(tiles)


def _picture(path: Path, folders: list[Path], index: PhotoIndex) -> tuple[str, str]:
    """Give a photo's small picture as a data URI, or "" and why there is none."""
    try:
        with open_inside(path, folders, index.holds) as file:
            thumbnail = make_thumbnail(file.read(), size_px=_SIZE_PX)
    except PhotoGoneError as error:
        return "", str(error)
    except DecodeError as error:
        return "", f"{CHANGED} {error}"
    except OSError as error:
        return "", f"this photo cannot be read: {error.strerror or error}."
    return embed_picture(thumbnail, alt="").source, ""
