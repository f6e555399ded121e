"""The look of all pictures: colours, sizes, and the fonts to look for."""

from typing import Any

# Source: Okabe & Ito 2008, "Color Universal Design"; without its yellow and sky blue, which are too
# pale for lines on white. Vermillion, green and purple are darker here, since text has them too.
BLACK, ORANGE, GREEN = "#000000", "#E69F00", "#007A5A"
BLUE, VERMILLION, PURPLE = "#0072B2", "#BD4B00", "#A8527F"
# What they mean in all pictures; a test holds the pages' style sheet to the same.
TRAINING, VALIDATION, RIGHT, WRONG = BLUE, VERMILLION, GREEN, VERMILLION
INK, GREY, PALE = "#222222", "#666666", "#CCCCCC"
RUN_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, BLACK)
RUN_MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # a number prime to the colours': 42 looks
TITLE_PT, TEXT_PT, SMALL_PT = 17.0, 12.0, 10.5
MARGIN = 0.35  # inches, as are all lengths in this package that do not say otherwise
HALO = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5}  # behind text on lines
DPI = 200  # twice Matplotlib's 100

# The first draws nearly all scripts but Chinese, Japanese and Korean, and comes with Matplotlib.
FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "Arial Unicode MS",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Emoji",
    "Segoe UI Symbol",
)


def run_look(number: int) -> dict[str, Any]:
    """Give the colour and the marker of one of several runs or classes."""
    colour = RUN_COLOURS[number % len(RUN_COLOURS)]
    return {"color": colour, "marker": RUN_MARKERS[number % len(RUN_MARKERS)]}
