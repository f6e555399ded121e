"""What needs an extra that is not installed ends with one line that names it."""

import zipfile

import pytest
from PIL import Image
from programs import try_words

from jaxcnn.host.extras import install


@pytest.mark.parametrize(
    ("words", "module", "extra"),
    [
        ("photos serve", "flask", "serve"),
        ("photos serve", "waitress", "serve"),
        ("export --workdir=RUN --out=FOLDER/export", "flatbuffers", "export"),
        ("train --decoder=fast", "simplejpeg", "fast"),
        ("predict --weights=FOLDER/weights.h5", "h5py", "pretrained"),
        ("predict --weights=FOLDER/weights.keras", "h5py", "pretrained"),
        ("predict --weights=FOLDER/w.safetensors", "safetensors", "pretrained"),
    ],
)
def test_a_missing_extra_is_named(tiny_run, tmp_path, words, module, extra):
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.png")
    (tmp_path / "weights.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99))
    (tmp_path / "w.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    with zipfile.ZipFile(tmp_path / "weights.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", b"\x89HDF\r\n\x1a\n")
    words = words.replace("RUN", str(tiny_run)).replace("FOLDER", str(tmp_path))
    more = ("--model=alexnet", tmp_path / "photo.png") if words.startswith("predict") else ()
    environment = {"JAXCNN_DATA": str(tmp_path / "data")}
    done = try_words(*words.split(), *more, environment=environment, blocked=[module])
    assert done.returncode == 2
    line = done.stderr.splitlines()[-1]
    assert line.startswith("error: ")
    assert line.endswith(f"{module}, which is not installed; run {install(extra)}.")
