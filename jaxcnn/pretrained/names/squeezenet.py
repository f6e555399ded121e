"""Names of the arrays of SqueezeNet in the files of others."""

from jaxcnn.models.squeezenet import ROWS
from jaxcnn.pretrained.mapping import Names, Rules, by_rules


def _torchvision(version: str) -> Rules:
    """Count the layers of the convolutional part, poolings too."""
    places: list[int] = []
    index = 2
    for fires in ROWS[version].stages:
        index += 1  # of the pooling, or of the ReLU before the first one
        places += range(index, index + len(fires))
        index += len(fires)
    return {
        "stem": "features.0",
        r"stage_\d/fire_(\d)/squeeze": lambda n: f"features.{places[n - 2]}.squeeze",
        r"stage_\d/fire_(\d)/expand_(\dx\d)": lambda n, size: (
            f"features.{places[n - 2]}.expand{size}"
        ),
        "head": "classifier.1",
    }


NAMES = {
    ("torchvision", f"squeezenet{version}"): Names(
        by_rules(_torchvision(version)),
        layout="torch",
        pointwise="head/linear",
        head_options={"class_maps": True},
    )
    for version in ROWS
}
