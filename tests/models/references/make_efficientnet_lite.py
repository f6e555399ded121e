"""Write efficientnet_lite.json: logits of other EfficientNet-Lites with seeded weights."""

from functools import partial
from importlib.metadata import version

import timm
import torch
from efficientnet_lite_pytorch import EfficientNet
from reference_rows import Case, make_parser, write

_IMAGE_SHAPE = (65, 96, 3)  # odd and even sides, which "same" pads differently
_GAINS = {r"(_bn2|\.bn3)\.weight$": 0.7}


def _lukemelas(index: int) -> Case:
    return Case(
        model=f"efficientnet_lite{index}",
        origin="lukemelas",
        # Without an image size it pads by the size that comes; with one, for that size alone.
        build=partial(EfficientNet.from_name, f"efficientnet-lite{index}", image_size=None),
        reference=f"efficientnet-lite-pytorch {version('efficientnet-lite-pytorch')}, "
        f"torch {torch.__version__}",
        image_shape=_IMAGE_SHAPE,
        gains=_GAINS,
        slow=index > 0,
    )


def _timm(index: int) -> Case:
    return Case(
        model=f"efficientnet_lite{index}",
        origin="timm",
        build=partial(timm.create_model, f"tf_efficientnet_lite{index}"),
        reference=f"timm {timm.__version__}, torch {torch.__version__}",
        image_shape=_IMAGE_SHAPE,
        gains=_GAINS,
        slow=True,
    )


if __name__ == "__main__":
    cases = [make(index) for make in (_lukemelas, _timm) for index in range(5)]
    write("efficientnet_lite", cases, make_parser().parse_args())
