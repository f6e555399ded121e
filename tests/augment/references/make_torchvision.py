"""Write torchvision.json: what torchvision's functional transforms make of a small image."""

import json
from pathlib import Path

import numpy as np
import torch
import torchvision
from torchvision.transforms.v2 import functional

HEIGHT, WIDTH = 7, 9

if __name__ == "__main__":
    rng = np.random.default_rng(0)
    image = torch.from_numpy(rng.random((HEIGHT, WIDTH, 3), np.float32)).permute(2, 0, 1)
    shift = torch.from_numpy(rng.uniform(-3, 3, (HEIGHT, WIDTH, 2)).astype(np.float32))
    # torchvision's displacement is in halves of the sides.
    displacement = shift * 2 / torch.tensor([WIDTH, HEIGHT])
    found = {
        "blur": functional.gaussian_blur(image, [5, 5], [1.3, 1.3]),
        "elastic": functional.elastic_transform(image, displacement[None], fill=0.5),
    }
    arrays = {name: result.permute(1, 2, 0) for name, result in found.items()}
    rows = {"image": image.permute(1, 2, 0), "shift": shift, **arrays}
    record = {name: np.round(rows[name].numpy(), 6).tolist() for name in rows}
    record["reference"] = f"torchvision {torchvision.__version__}, torch {torch.__version__}"
    path = Path(__file__).with_name("torchvision.json")
    path.write_text(json.dumps(record) + "\n", encoding="utf-8")
