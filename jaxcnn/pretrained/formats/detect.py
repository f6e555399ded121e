"""What kind of weights file a path is, by what it holds rather than by its name."""

import zipfile
from pathlib import Path

from jaxcnn.host.text import listed
from jaxcnn.pretrained.formats.errors import WeightsFileError
from jaxcnn.pretrained.formats.saved_model import checkpoint_prefix

KNOWN = (
    "PyTorch (.pth, .pt, .th), safetensors, Keras (.h5, .weights.h5, .keras), NumPy (.npz), "
    "TensorFlow (SavedModel folder, checkpoint)"
)
SUFFIXES = (".pth", ".pt", ".th", ".bin", ".ckpt", ".safetensors", ".h5", ".keras", ".npz")
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# PROTO 2, LONG1 of ten bytes and the magic number that torch.save wrote before PyTorch 1.6. The
# protocol may be another.
LEGACY_MAGIC = bytes.fromhex("8a0a6cfc9c46f9206aa85019")
OTHER_KINDS = {
    b"\x93NUMPY": "a single NumPy array (.npy), which has no name; save it with numpy.savez",
    b"\x80": "a Python pickle that torch.save did not write, which could run commands",
    b"version https://git-lfs": "a Git LFS pointer; fetch the file itself with git lfs pull",
    b"<": "a web page or XML, perhaps a failed download; fetch the file itself",
    b"\x1f\x8b": "a gzip archive; unpack it first",
    b"PK": "a truncated or damaged zip archive; fetch it again",
}


def detect_format(path: Path) -> str:
    """Tell the format of a weights file or folder.

    Args:
      path: the file, folder, or prefix of a TensorFlow checkpoint.

    Returns:
      "PyTorch", or a key of `formats.READERS`.

    Raises:
      WeightsFileError: if it is absent, empty or of no known format.
    """
    if checkpoint_prefix(path) is not None or (path / "saved_model.pb").is_file():
        return "TensorFlow checkpoint"
    if path.is_dir():
        raise _unknown(path, _describe_folder(path))
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise WeightsFileError(f"{path}: cannot be opened ({error.strerror}).") from error
    return _by_content(path, head)


def _by_content(path: Path, head: bytes) -> str:
    if head.startswith(HDF5_SIGNATURE):
        return "Keras"
    if head[:1] == b"\x80" and head[2:].startswith(LEGACY_MAGIC):
        return "PyTorch"
    if head[8:9] == b"{":
        return "safetensors"
    if head.startswith(b"PK\x03\x04"):
        return _by_members(path)
    raise _unknown(path, _describe(path, head))


def _by_members(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception as error:  # whatever hostile bytes lead zipfile to
        raise _unknown(path, f"{OTHER_KINDS[b'PK']} ({error})") from error
    if any(name.split("/")[1:] == ["data.pkl"] for name in names):
        return "PyTorch"
    if "model.weights.h5" in names:
        return "Keras"
    if names and all(name.endswith(".npy") for name in names):
        return "NumPy .npz"
    listed = ", ".join(map(repr, names[:5])) or "nothing"
    raise _unknown(path, f"a zip archive of {listed}")


def _describe_folder(path: Path) -> str:
    if (path / "checkpoints").is_dir():
        return "the folder of a run; give it as init_from or workdir"
    inside = sorted(file.name for file in path.iterdir() if file.suffix in SUFFIXES)
    if inside:
        return f"a folder; give one of its files: {listed(inside)}"
    return "a folder without saved_model.pb, variables/ or one *.index"


def _describe(path: Path, head: bytes) -> str:
    if not head:
        return "an empty file"
    if head[257:262] == b"ustar":
        return "a tar archive, as PyTorch before 0.1.10 wrote them; unpack it or save it again"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for start, what in OTHER_KINDS.items():
        if head.startswith(start) or (start == b"<" and text.startswith(start)):
            return what
    if head.isascii() and b"\0" not in head:
        return "text"
    return f"a file that begins with the bytes {head[:8].hex(' ')}"


def _unknown(path: Path, found: str) -> WeightsFileError:
    return WeightsFileError(f"{path}: found {found}; known formats: {KNOWN}.")
