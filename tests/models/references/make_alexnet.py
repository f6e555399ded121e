"""Write alexnet.json: logits of torchvision's AlexNet with seeded weights."""

import torch
import torchvision
from reference_rows import Case, make_parser, write

if __name__ == "__main__":
    case = Case(
        model="alexnet",
        origin="torchvision",
        build=torchvision.models.alexnet,
        reference=f"torchvision {torchvision.__version__}, torch {torch.__version__}",
        image_shape=(96, 130, 3),  # oblong, and other than 6x6 before the adaptive pooling
        gains={},
    )
    write("alexnet", [case], make_parser().parse_args())
