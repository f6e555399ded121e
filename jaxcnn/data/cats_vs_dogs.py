"""tfds's `cats_vs_dogs`, written without TensorFlow.

The stock builder decodes every photo and encodes it again with TensorFlow, to be rid of damage in
the JPEG coding. This one does the same with Pillow. Name, version, features, example keys and hence
the order on disk are the stock builder's, so that `tfds.builder("cats_vs_dogs")` opens what was
written here.

Source: Elson et al. 2007, "Asirra: a CAPTCHA that exploits interest-aligned manual image
categorization" (the photos). Deviations from the stock builder: Pillow's JPEG codec instead of
TensorFlow's, at the same quality (95) and chroma sampling (4:2:0), which moves a pixel by 1 of 255
on average; and a photo that cannot be decoded is skipped and counted where the stock builder stops.
"""

import io
import os
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, cast

from absl import logging
from PIL import Image
from tensorflow_datasets.core.download import DownloadManager
from tensorflow_datasets.image_classification.cats_vs_dogs import CatsVsDogs as StockCatsVsDogs

from jaxcnn.data.encode import encode_image

MAX_FILE_BYTES = 32 << 20  # the largest photo of the published archive has under 1 MB

_PHOTO = re.compile(r"^PetImages[\\/](Cat|Dog)[\\/]\d+\.jpg$")
_JPEG_QUALITY = 95  # default of tf.io.encode_jpeg
_DAMAGED = (
    OSError,  # Pillow: not an image, or truncated; also the os's own reading errors
    SyntaxError,  # Pillow: broken header
    ValueError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


def recode_jpeg(data: bytes) -> bytes:
    """Decode a JPEG and encode it again, so that damage in its coding is gone.

    Args:
      data: the bytes of a JPEG file.

    Returns:
      The bytes of a JPEG file of the same size, quality 95, grey if `data` is grey, else RGB.

    Raises:
      ValueError: if `data` cannot be decoded, or has more pixels than Pillow thinks safe.

    Example:
      >>> recode_jpeg(b"no photo")
      Traceback (most recent call last):
      ValueError: not a readable JPEG of 8 bytes: cannot identify image file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=("JPEG",)) as opened:
                image = opened if opened.mode in ("L", "RGB") else opened.convert("RGB")
                return encode_image(image, "JPEG", quality=_JPEG_QUALITY, subsampling="4:2:0")
    except _DAMAGED as error:
        reason = str(error).split(" <")[0]
        raise ValueError(f"not a readable JPEG of {len(data)} bytes: {reason}.") from error


class CatsVsDogs(StockCatsVsDogs, skip_registration=True):  # type: ignore[call-arg]
    """The stock builder with Pillow in TensorFlow's place.

    `url_infos` holds the published archive's size and SHA-256; tfds refuses any other archive.
    """

    url_infos = StockCatsVsDogs.url_infos

    def _split_generators(self, dl_manager: DownloadManager) -> dict[str, Any]:
        (url,) = self.url_infos
        return {"train": self._generate_examples(dl_manager.download(url))}

    def _generate_examples(
        self, archive: str | os.PathLike[str]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        headerless, damaged = 0, 0
        with zipfile.ZipFile(archive) as photos:
            for member in photos.infolist():
                name = os.path.normpath(member.filename)
                match = _PHOTO.match(name)
                if not match:  # the licence, the read-me, Thumbs.db
                    continue
                try:
                    image = _read_photo(photos, member)
                except (ValueError, OSError, zipfile.BadZipFile, zlib.error):
                    damaged += 1
                    continue
                if image is None:
                    headerless += 1
                    continue
                label = match.group(1).lower()
                yield name, {"image": image, "image/filename": name, "label": label}
        logging.warning(
            "cats_vs_dogs: skipped %d photos without a JFIF header and %d damaged ones.",
            headerless,
            damaged,
        )


def _read_photo(photos: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes | None:
    with cast(zipfile.ZipExtFile, photos.open(member)) as file:
        # The stock builder's own test, to the letter: `peek` returns up to 512 bytes, not 10.
        if b"JFIF" not in file.peek(10):
            return None
        data = file.read(MAX_FILE_BYTES + 1)  # never more, whatever the archive's index claims
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"{member.filename} unpacks to over {MAX_FILE_BYTES} bytes.")
    return recode_jpeg(data)
