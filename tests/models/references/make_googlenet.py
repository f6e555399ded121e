"""Write googlenet.json: logits of torchvision's GoogLeNet with seeded weights."""

from functools import partial

import torch
import torchvision
from reference_rows import Case, make_parser, write

if __name__ == "__main__":
    case = Case(
        model="googlenet",
        origin="torchvision",
        build=partial(torchvision.models.googlenet, aux_logits=False, init_weights=False),
        reference=f"torchvision {torchvision.__version__}, torch {torch.__version__}",
        image_shape=(64, 84, 3),  # poolings hang over the edge
        gains={},
    )
    write("googlenet", [case], make_parser().parse_args())
