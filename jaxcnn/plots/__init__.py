"""Pictures of a training run, as PNG files that a slide or a web page can take as they are.

Each `plot_x(path, ...)` makes the folder of `path` where it is missing, writes a PNG whatever the
suffix, and returns the path. Its `plot_x.__wrapped__(...)` draws the same picture as a Matplotlib
`Figure` and touches no file.

The contract of all of them:
  photo: (H, W) or (H, W, C) with C = 1, 3 or 4; uint8, or floating in [0, 1] (clipped, NaN is
    black). Alpha is not shown.
  photos: an (N, ...) array, or a list whose photos differ in size.
  label: integer in [0, K), K being the number of class names.
  probability, accuracy: a fraction; the pictures say percent. NaN reads "n/a".
  name: any text. Characters that no installed font can draw are left out; a name of which nothing
    is left, or that then equals another, gets its number. Long names end in an ellipsis.

Host only: numpy and Matplotlib's object interface. No pyplot, no global state, so threads and
notebooks are safe.
"""

from jaxcnn.plots.bars import plot_baselines
from jaxcnn.plots.calibration import Reliability, plot_calibration
from jaxcnn.plots.comparison import plot_comparison_curves
from jaxcnn.plots.confusion import plot_confusion_matrix
from jaxcnn.plots.curves import plot_learning_curves
from jaxcnn.plots.excitations import plot_excitations
from jaxcnn.plots.explanations import overlay, plot_explanations
from jaxcnn.plots.feature_maps import plot_feature_maps, plot_filters
from jaxcnn.plots.learning_rates import plot_learning_rates
from jaxcnn.plots.members import plot_member_curves
from jaxcnn.plots.neighbours import plot_neighbours
from jaxcnn.plots.photo_map import plot_photo_map
from jaxcnn.plots.predictions import plot_most_confidently_wrong, plot_predictions
from jaxcnn.plots.receptive_fields import FieldRow, plot_receptive_fields
from jaxcnn.plots.samples import plot_augmented_samples, plot_contact_sheet
from jaxcnn.plots.suspicious_labels import plot_suspicious_labels
from jaxcnn.plots.sweep import plot_sweep

__all__ = [
    "FieldRow",
    "Reliability",
    "overlay",
    "plot_augmented_samples",
    "plot_baselines",
    "plot_calibration",
    "plot_comparison_curves",
    "plot_confusion_matrix",
    "plot_contact_sheet",
    "plot_excitations",
    "plot_explanations",
    "plot_feature_maps",
    "plot_filters",
    "plot_learning_curves",
    "plot_learning_rates",
    "plot_member_curves",
    "plot_most_confidently_wrong",
    "plot_neighbours",
    "plot_photo_map",
    "plot_predictions",
    "plot_receptive_fields",
    "plot_suspicious_labels",
    "plot_sweep",
]
