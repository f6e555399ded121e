"""Pages of one file: the page that explains a run, and the base that other pages share."""

from jaxcnn.runs.report.page import Picture, embed_photo, embed_picture, render_page, write_page

__all__ = ["Picture", "embed_photo", "embed_picture", "render_page", "write_page"]
