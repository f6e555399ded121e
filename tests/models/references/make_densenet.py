"""Write densenet.json: logits of torchvision's DenseNets with seeded weights."""

import torch
import torchvision
from reference_rows import Case, make_parser, write

_MODELS = ("densenet121", "densenet161", "densenet169", "densenet201")


def _case(model: str) -> Case:
    return Case(
        model=model,
        origin="torchvision",
        build=getattr(torchvision.models, model),
        reference=f"torchvision {torchvision.__version__}, torch {torch.__version__}",
        image_shape=(64, 84, 3),
        gains={},
        slow=model != "densenet121",
    )


if __name__ == "__main__":
    write("densenet", [_case(model) for model in _MODELS], make_parser().parse_args())
