"""Sets of photos in the forms that people have them in: Parquet of Hugging Face, tar shards."""

import io
import json
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def png(shade):
    """A small grey photo."""
    file = io.BytesIO()
    Image.new("RGB", (6, 5), (shade, shade, shade)).save(file, "PNG")
    return file.getvalue()


def write_parquet(path, labels, images, *, names=None, row_group_size=2, **more):
    """Write a file as `datasets.Dataset.to_parquet` does, with ClassLabel names in its metadata.

    Args:
      path: the file.
      labels: one per row.
      images: of each row the file's bytes and its path, or None.
      names: of the classes, where labels are positions.
      row_group_size: rows that are compressed together.
      **more: further columns.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [each and dict(zip(("bytes", "path"), each, strict=True)) for each in images]
    features = {"image": {"_type": "Image"}}
    if names:
        features["label"] = {"names": names, "_type": "ClassLabel"}
    about = json.dumps({"info": {"features": features}})
    table = pa.table({"image": pa.array(rows, IMAGE), "label": pa.array(labels), **more})
    table = table.replace_schema_metadata({"huggingface": about})
    pq.write_table(table, path, row_group_size=row_group_size)


def write_tar(path, *members, mode="w"):
    """Write a shard of (name, content) in this order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as shard:
        for name, content in members:
            about = tarfile.TarInfo(name)
            data = content if isinstance(content, bytes) else str(content).encode()
            about.size = len(data)
            shard.addfile(about, io.BytesIO(data))
    return path
