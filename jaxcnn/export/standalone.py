"""Label photos with the classifier in this folder; nothing but the packages below is needed.

    pip install -r requirements.txt
    python predict.py photo.jpg folder/ ...

Photos that cannot be read are listed and do not stop the others; then the exit status is 1. It is 2
for a mistake of the command line, and where a file of this folder is missing or damaged.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

ABOUT, NAMES = "export.json", "class_names.json"
SUFFIXES = {".apng", ".avif", ".bmp", ".dib", ".gif", ".ico", ".j2k", ".jfif", ".jp2", ".jpe"} | {
    *(".jpeg", ".jpg", ".mpo", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp")
}
FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "AVIF", "JPEG2000", "ICO"]
MAX_PIXELS = 89_478_485  # more may be a decompression bomb

Program = Callable[[np.ndarray], np.ndarray]  # (B, S, S, C) uint8 -> (B, K) float32


class DamagedError(ValueError):
    """A file of the folder is not as it was written."""


def read_about(folder: Path) -> dict[str, Any]:
    """Read what the folder says of itself, and verify it by its own checksum."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        claimed = about.pop("sha256")
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise DamagedError(
            f"{folder / ABOUT} is damaged ({error}); copy the folder again."
        ) from error
    if claimed != sha256_of_values(about):
        raise DamagedError(f"{folder / ABOUT} was changed or damaged; copy the folder again.")
    return about


def sha256_of_values(values: dict[str, Any]) -> str:
    """Compute the checksum of JSON values, whatever their order and the spaces between."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def read_file(folder: Path, name: str, about: dict[str, Any]) -> bytes:
    """Read a file of the folder and verify it."""
    data = (folder / name).read_bytes()
    found, expected = hashlib.sha256(data).hexdigest(), about["files"][name]["sha256"]
    if found != expected:
        raise DamagedError(
            f"{folder / name} is damaged: its SHA-256 is {found}, {ABOUT} says {expected}; copy "
            "the folder again."
        )
    return data


def load_program(folder: Path, about: dict[str, Any], form: str | None = None) -> Program:
    """Load the classifier in one of the forms that the folder holds, by default the first."""
    programs = about["programs"]
    form = form or next(iter(programs))
    if form not in programs:
        raise ValueError(f"this folder holds no {form} program, only {', '.join(programs)}.")
    data = read_file(folder, programs[form]["file"], about)
    try:
        return LOADERS[form](data)
    except ImportError as error:
        raise ValueError(f"{error}. Try: pip install -r {folder}/requirements.txt") from error


def _load_stablehlo(data: bytes) -> Program:
    import jax
    from jax import export

    program = jax.jit(export.deserialize(bytearray(data)).call)
    return lambda images: np.asarray(program(images))


def _load_onnx(data: bytes) -> Program:
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return lambda images: np.asarray(session.run(None, {"images": images})[0])


LOADERS = {"stablehlo": _load_stablehlo, "onnx": _load_onnx}


def read_photo(path: Path, about: dict[str, Any]) -> np.ndarray:
    """Decode a photo upright and resize it to the (S, S, C) uint8 that the program takes."""
    size_px, _, num_channels = about["input"]["shape"][1:]
    mode = "L" if num_channels == 1 else "RGB"
    with Image.open(path, formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"too large: {image.width} x {image.height} pixels.")
        # A large JPEG is decoded at half its size or less, never below thrice what is wanted.
        image.draft("L" if mode == "L" else None, (3 * size_px, 3 * size_px))
        image.load()
        photo = _to_mode(_upright(image), mode)
    square = _to_square(photo, size_px, **about["resize"])
    return np.asarray(square).reshape(size_px, size_px, num_channels)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - a photo with broken EXIF data is still a photo
        return image


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    """Convert any Pillow image to grey or RGB, transparent pixels over white."""
    if image.mode == "F" or image.mode.startswith("I"):
        image = Image.fromarray(_to_8_bits(np.asarray(image).astype(np.float64), image.mode))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image).convert("RGB")
    elif image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    return image.convert(mode)


def _to_8_bits(values: np.ndarray, mode: str) -> np.ndarray:
    """Scale grey of 16 or 32 bits or float; what lies out of the usual range is stretched."""
    low, high = values.min(), values.max()
    if not np.isfinite(high - low):
        raise ValueError("the image holds values that are not finite.")
    if mode == "F":
        scale, inside = (255.0 if high <= 1 else 1.0), low >= 0 and high <= 255
    else:
        scale, inside = 255.0 / 65535.0, low >= 0 and high <= 65535
    if not inside:
        values, scale = values - low, 255.0 / (high - low or 1.0)
    return np.rint(values * scale).astype(np.uint8)


def _to_square(image: Image.Image, size_px: int, *, mode: str, interpolation: str) -> Image.Image:
    """Resize to a square: "crop" its centre, "squash" it, or "pad" it with black."""
    (width, height), resample = image.size, Image.Resampling[interpolation.upper()]
    if mode == "squash":
        return image.resize((size_px, size_px), resample)
    if mode == "crop":
        side = min(width, height)
        left, top = (
            round((n - side) * size_px / side / 2) * side / size_px for n in (width, height)
        )
        return image.resize((size_px, size_px), resample, (left, top, left + side, top + side))
    scale = size_px / max(width, height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    padded = Image.new(image.mode, (size_px, size_px))
    corner = ((size_px - inner[0]) // 2, (size_px - inner[1]) // 2)
    padded.paste(image.resize(inner, resample), corner)
    return padded


def find_photos(words: list[str]) -> Iterator[Path]:
    """Find the files that words of the command line name, those in folders by their suffix."""
    for path in map(Path, words):
        if not path.exists():
            raise ValueError(f"{path} does not exist.")
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (p for p in inside if p == path or p.suffix.lower() in SUFFIXES)


def label(
    program: Program, paths: list[Path], about: dict[str, Any], *, batch_size: int
) -> Iterator[tuple[Path, np.ndarray | str]]:
    """Give each file's (K,) probabilities, or why it could not be read."""
    batch_size = min(batch_size, len(paths))
    for start in range(0, len(paths), batch_size):
        found: dict[Path, np.ndarray | str] = {}
        for path in paths[start : start + batch_size]:
            try:
                found[path] = read_photo(path, about)
            except Exception as error:  # noqa: BLE001 - decoders raise what hostile bytes lead to
                found[path] = f"{error or type(error).__name__}"
        images = [photo for photo in found.values() if isinstance(photo, np.ndarray)]
        # Filled up, so that the program is compiled for one size alone.
        images += [np.zeros(about["input"]["shape"][1:], np.uint8)] * (batch_size - len(images))
        rows = iter(program(np.stack(images)))
        for path, photo in found.items():
            yield path, photo if isinstance(photo, str) else next(rows)


def main(words: list[str] | None = None) -> int:
    """Label the photos that the command line names."""
    parser = argparse.ArgumentParser(description="Label photos with the classifier in this folder.")
    parser.add_argument("photos", nargs="+", help="files, or folders that are searched through")
    parser.add_argument("--top", type=int, default=5, help="classes to name for each photo")
    parser.add_argument("--batch_size", type=int, default=32, help="photos classified together")
    parser.add_argument("--format", help="stablehlo or onnx, where this folder holds both")
    parser.add_argument("--json", type=Path, help="file to write all probabilities to")
    flags = parser.parse_args(words)
    folder = Path(__file__).resolve().parent
    try:
        paths = list(dict.fromkeys(find_photos(flags.photos)))
        about = read_about(folder)
        names = json.loads(read_file(folder, NAMES, about))
        program = load_program(folder, about, flags.format)
    except (ValueError, OSError) as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        return 2
    answers = list(label(program, paths, about, batch_size=max(1, flags.batch_size)))
    for path, row in answers:
        if isinstance(row, str):
            print(f"{path}: {row}", file=sys.stderr)
            continue
        for place, number in enumerate(np.argsort(-row, kind="stable")[: flags.top]):
            print(f"{'' if place else path}\t{row[number]:6.1%}\t{names[number]}")
    if flags.json:
        flags.json.write_text(json.dumps([_record(*each, names) for each in answers], indent=2))
    return 1 if any(isinstance(row, str) for _, row in answers) else 0


def _record(path: Path, row: np.ndarray | str, names: list[str]) -> dict[str, Any]:
    if isinstance(row, str):
        return {"path": str(path), "error": row}
    return {"path": str(path), "probabilities": dict(zip(names, map(float, row), strict=True))}


if __name__ == "__main__":
    sys.exit(main())
