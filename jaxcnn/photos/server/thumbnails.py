"""Small pictures of photos: the central square, as JPEG."""

from jaxcnn.data.decode import decode_and_resize
from jaxcnn.data.encode import encode_image

SIZE_PX = 256


def make_thumbnail(data: bytes, *, size_px: int = SIZE_PX) -> bytes:
    """Make a small picture of a photo.

    Args:
      data: the photo's file.
      size_px: side of the square.

    Returns:
      A JPEG file of the photo's central square, upright.

    Raises:
      DecodeError: if the photo cannot be decoded, or is too large to be.
    """
    return encode_image(decode_and_resize(data, size_px, "crop"), "JPEG", quality=82)
