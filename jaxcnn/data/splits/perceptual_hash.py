"""Perceptual hashes: similar images have hashes that differ in few bits."""

import functools

import numpy as np

from jaxcnn.data.image_splits import ImageSplit

_SIDE = 8  # frequencies in each direction


_FLAT = 0.5  # levels: coefficients below say nothing


def perceptual_hash(image: np.ndarray) -> int:
    """Hash what an image looks like: similar images have hashes that differ in few bits.

    The signs of the lowest 63 frequencies of the discrete cosine transform of its brightness, in 8
    rows of 8; the mean is left out. The mirror image has the hash `mirrored` gives.

    Args:
      image: (H, W, C) or (H, W) uint8 or float, of any size.

    Returns:
      63 bits; 0 for an image of one brightness, which is like no other.

    Example:
      >>> ramp = np.arange(16)[:, None] * np.ones(16)
      >>> perceptual_hash(ramp) == perceptual_hash(2 * ramp), perceptual_hash(ramp * 0)
      (True, 0)

    Source: Zauner 2010, "Implementation and benchmarking of perceptual image hash functions",
    section 3.2.1 (DCT based hash); deviations: signs instead of a comparison with the median, so
    that the hash of the mirror image is known; the frequencies of the image itself, not shrunk.
    """
    return int(perceptual_hashes(image[None])[0])


def perceptual_hashes(images: np.ndarray) -> np.ndarray:
    """Hash many images of one size, see `perceptual_hash`.

    Args:
      images: (N, H, W, C) or (N, H, W) uint8 or float.

    Returns:
      (N,) uint64.
    """
    found = np.zeros(len(images), np.uint64)
    channels = images.shape[3] if images.ndim == 4 else 1
    rows = _cosines(images.shape[1])
    columns = _cosines(images.shape[2]).repeat(channels, axis=1) / np.float32(channels)
    for i, image in enumerate(images):
        # Channels lie next to each other in a row of pixels, so the product adds them up.
        waves = rows @ image.reshape(len(image), -1).astype(np.float32) @ columns.T
        waves[0, 0] = 0
        if np.abs(waves).max() >= _FLAT:
            found[i] = np.packbits(waves > 0).view(">u8")[0]
    return found


def mirrored(hashes: np.ndarray) -> np.ndarray:
    """Give the hashes of the images mirrored left to right: the odd frequencies change sign.

    Args:
      hashes: (N,) uint64, as `perceptual_hashes` gives.

    Returns:
      (N,) uint64.
    """
    return np.where(hashes == 0, hashes, hashes ^ np.uint64(0x5555555555555555))


@functools.lru_cache(maxsize=64)
def _cosines(size: int) -> np.ndarray:
    """Give the (8, size) lowest cosines; a coefficient is in levels of brightness."""
    places = (np.arange(size) + 0.5) / size
    return (np.cos(np.pi * np.arange(_SIDE)[:, None] * places) / size).astype(np.float32)


def hashes_of(split: ImageSplit, *, at_once: int = 256) -> np.ndarray:
    """Hash all images of a split, see `perceptual_hashes`.

    Args:
      split: the images; one that cannot be read has the hash 0.
      at_once: images that are held at once.

    Returns:
      (N,) uint64.
    """
    parts = [np.zeros(0, np.uint64)]
    for start in range(0, len(split), at_once):
        images, present = split.gather(np.arange(start, min(start + at_once, len(split))))
        parts.append(np.where(present, perceptual_hashes(images), np.uint64(0)))
    return np.concatenate(parts)
