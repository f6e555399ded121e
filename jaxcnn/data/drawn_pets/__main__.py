"""Draw the pictures whose numbers come on standard input, one per line, for `Drawers`."""

import sys

from jaxcnn.data.drawn_pets.drawing import draw_pet

seed, size_px = map(int, sys.argv[1:])
for line in sys.stdin:
    image, _ = draw_pet(seed, int(line), size_px)
    sys.stdout.buffer.write(image.tobytes())
    sys.stdout.buffer.flush()
