"""The picture being painted: frames of reference, coverage of pixels, blending."""

from typing import NamedTuple

import numpy as np

from jaxcnn.data.drawn_pets.shapes import Box, Point, Shape, sin_cos

Colour = tuple[float, float, float]
Window = tuple[slice, slice]  # rows and columns of the pixels that a shape may touch


class Frame(NamedTuple):
    """A frame of reference: where it lies in the scene, whose corners are (0, 0) and (1, 1).

    x points right and y down, as in an image.
    """

    origin: Point = (0.0, 0.0)
    unit: float = 1.0  # length in the scene of one unit of this frame
    angle_radians: float = 0.0  # clockwise as seen
    mirror: float = 1.0  # -1.0 where left and right are swapped

    def to_scene(self, point: Point) -> Point:
        """Return the place in the scene of a point of this frame."""
        sin, cos = sin_cos(self.angle_radians)
        x, y = self.mirror * point[0] * self.unit, point[1] * self.unit
        return self.origin[0] + cos * x - sin * y, self.origin[1] + sin * x + cos * y

    def child(self, origin: Point, angle_radians: float = 0.0) -> "Frame":
        """Return a frame that is given in terms of this one."""
        angle_radians = self.angle_radians + self.mirror * angle_radians
        return self._replace(origin=self.to_scene(origin), angle_radians=angle_radians)


SCENE = Frame()


class Shading(NamedTuple):
    """How a fill is made to look round."""

    light: Point  # brightness gained from the middle of a shape to its right and lower edges
    rim: float  # brightness lost at the outline
    depth: float  # how far in from the outline that reaches, in the shape's unit


class Canvas:
    """A square picture, painted in place from back to front.

    Args:
      size_px: height and width.
    """

    def __init__(self, size_px: int) -> None:
        self.size_px = size_px
        self.planes = np.zeros((3, size_px, size_px), np.float32)  # red, green, blue in [0, 1]
        self._axis = (np.arange(size_px, dtype=np.float32) + 0.5) / size_px  # pixel centres
        self._rulers: dict[Frame, tuple[np.ndarray, ...]] = {}  # most shapes share their frame

    def window(self, frame: Frame, box: Box, margin: float = 0.0) -> Window | None:
        """Return the pixels that a box of `frame` touches; None if all lie outside.

        Args:
          frame: the frame that the box is given in.
          box: left, top, right, bottom.
          margin: how far around the box to look, in the unit of `frame`.
        """
        left, top, right, bottom = box
        half_x, half_y = 0.5 * (right - left) + margin, 0.5 * (bottom - top) + margin
        x, y = frame.to_scene((0.5 * (left + right), 0.5 * (top + bottom)))
        sin, cos = sin_cos(frame.angle_radians)
        reach_x = (abs(cos) * half_x + abs(sin) * half_y) * frame.unit
        reach_y = (abs(sin) * half_x + abs(cos) * half_y) * frame.unit
        rows, columns = self._span(y, reach_y), self._span(x, reach_x)
        return (rows, columns) if rows and columns else None

    def _span(self, middle: float, reach: float) -> slice | None:
        # A touched pixel's centre lies at most half a pixel outside; one is a safe bound.
        low = max(int((middle - reach) * self.size_px - 1.0), 0)
        high = min(int((middle + reach) * self.size_px + 1.0) + 1, self.size_px)
        return slice(low, high) if low < high else None

    def coordinates(self, frame: Frame, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Return x and y in `frame` of a window's pixel centres, each (rows, columns)."""
        if frame not in self._rulers:
            self._rulers[frame] = self._ruler(frame)
        x_of_column, x_of_row, y_of_column, y_of_row = self._rulers[frame]
        rows, columns = window
        return x_of_row[rows] + x_of_column[:, columns], y_of_row[rows] + y_of_column[:, columns]

    def _ruler(self, frame: Frame) -> tuple[np.ndarray, ...]:
        sin, cos = sin_cos(frame.angle_radians)
        dx = ((self._axis - frame.origin[0]) * (1.0 / frame.unit))[None, :]
        dy = ((self._axis - frame.origin[1]) * (1.0 / frame.unit))[:, None]
        return dx * (cos * frame.mirror), dy * (sin * frame.mirror), dx * -sin, dy * cos

    def all_coordinates(self, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
        """Return x and y in `frame` of every pixel centre, each (size_px, size_px)."""
        return self.coordinates(frame, (slice(None), slice(None)))

    def coverage(self, distance: np.ndarray, unit: float) -> np.ndarray:
        """Return the share of each pixel that lies inside, from a distance in `unit`s."""
        share = distance * (-unit * self.size_px)
        share += 0.5
        np.maximum(share, 0.0, out=share)
        return np.minimum(share, 1.0, out=share)

    def paint(
        self,
        frame: Frame,
        shape: Shape,
        fill: Colour | np.ndarray,
        *,
        opacity: float = 1.0,
        ink: Colour | None = None,
        line: float = 0.0,
        shading: Shading | None = None,
    ) -> None:
        """Paint a shape over what is there.

        Args:
          frame: the frame that the shape is given in.
          shape: what to paint.
          fill: a colour, or (3, size_px, size_px) float32 to take the colours from.
          opacity: 1 hides what is beneath, 0 shows it all.
          ink: colour of the outline; None for no outline.
          line: width of the outline, in the unit of `frame`.
          shading: lightens and darkens the fill; None leaves it flat.
        """
        window = self.window(frame, shape.box, margin=line)
        if window is None:
            return
        distance = shape.distance(*self.coordinates(frame, window))
        under = self.planes[:, *window]
        if ink is not None:
            _blend(under, _column(ink), self.coverage(distance - line, frame.unit), opacity)
        over = _column(fill) if isinstance(fill, tuple) else fill[:, *window]
        if shading is not None:
            over = over * _shade(distance, shading)
        _blend(under, over, self.coverage(distance, frame.unit), opacity)


def _column(colour: Colour) -> np.ndarray:
    return np.array(colour, np.float32).reshape(3, 1, 1)


def _blend(under: np.ndarray, over: np.ndarray, coverage: np.ndarray, opacity: float) -> None:
    alpha = coverage if opacity == 1.0 else coverage * opacity
    change = over - under
    change *= alpha
    under += change


def _shade(distance: np.ndarray, shading: Shading) -> np.ndarray:
    rows, columns = distance.shape
    across = np.arange(columns, dtype=np.float32) * (2.0 / columns) - 1.0
    down = np.arange(rows, dtype=np.float32) * (2.0 / rows) - 1.0
    slope = (1.0 + shading.light[0] * across)[None, :] + (shading.light[1] * down)[:, None]
    near = np.minimum(np.maximum(1.0 + distance * (1.0 / shading.depth), 0.0), 1.0)
    return slope - near * near * shading.rim


def mix(first: Colour, second: Colour, amount: float) -> Colour:
    """Return the colour that lies `amount` of the way from `first` to `second`."""
    red, green, blue = (a + (b - a) * amount for a, b in zip(first, second, strict=True))
    return red, green, blue


def blend_planes(first: Colour, second: Colour, mask: np.ndarray) -> np.ndarray:
    """Return (3, H, W) planes: `first` where the (H, W) mask is 0, `second` where it is 1."""
    low, high = _column(first), _column(second)
    return low + mask[None] * (high - low)
