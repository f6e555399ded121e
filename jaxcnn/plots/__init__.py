"""Pictures of a training run, as PNG files that a slide or a web page can take as they are.

`samples.py` draws training photos; `predictions.py` what a network says of photos, `label_sets.py`
the same of several labels; `curves.py`, `comparison.py` and `tuning.py` loss and accuracy of one
run, several, and a search for settings; `confusion.py` and `calibration.py` how it errs;
`explanations.py`, `channels.py`, `receptive_fields.py` and `likeness.py` what it looks at;
`near_duplicates.py` photos that are nearly the same. They share `canvas.py` (figures and axes),
`photo_layout.py` (grids and rows of photos), `text.py`, `style.py` and `checks.py`; `themes.py`
turns a figure into a pair for light and dark pages.

Each `plot_x(path, ...)` makes the folder of `path` where it is missing, writes a PNG whatever the
suffix, and returns the path. Its `plot_x.__wrapped__(...)` draws the same picture as a Matplotlib
`Figure` and touches no file.

The contract of all of them:
  photo: (H, W) or (H, W, C) with C = 1, 3 or 4; uint8, or floating in [0, 1] (clipped, NaN is
    black). Alpha is not shown.
  photos: an (N, ...) array, or a list whose photos differ in size.
  label: integer in [0, K), K being the number of class names; several are (N, K) of 0 and 1.
  probability, accuracy: a fraction; the pictures say percent. NaN reads "n/a".
  name: any text. Characters that no installed font can draw are left out; a name of which nothing
    is left, or that then equals another, gets its number. Long names end in an ellipsis.

Host only: numpy and Matplotlib's object interface. No pyplot, no global state, so threads and
notebooks are safe.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.plots.calibration import plot_calibration as plot_calibration
    from jaxcnn.plots.channels import (
        plot_excitations as plot_excitations,
        plot_feature_maps as plot_feature_maps,
        plot_filters as plot_filters,
    )
    from jaxcnn.plots.comparison import (
        plot_baselines as plot_baselines,
        plot_comparison_curves as plot_comparison_curves,
    )
    from jaxcnn.plots.confusion import plot_confusion_matrix as plot_confusion_matrix
    from jaxcnn.plots.curves import (
        plot_learning_curves as plot_learning_curves,
        plot_member_curves as plot_member_curves,
    )
    from jaxcnn.plots.explanations import overlay as overlay, plot_explanations as plot_explanations
    from jaxcnn.plots.label_sets import (
        plot_most_wrong_sets as plot_most_wrong_sets,
        plot_predicted_sets as plot_predicted_sets,
    )
    from jaxcnn.plots.likeness import (
        plot_neighbours as plot_neighbours,
        plot_photo_map as plot_photo_map,
    )
    from jaxcnn.plots.near_duplicates import plot_near_duplicates as plot_near_duplicates
    from jaxcnn.plots.predictions import (
        plot_most_confidently_wrong as plot_most_confidently_wrong,
        plot_predictions as plot_predictions,
        plot_suspicious_labels as plot_suspicious_labels,
    )
    from jaxcnn.plots.receptive_fields import (
        FieldRow as FieldRow,
        plot_receptive_fields as plot_receptive_fields,
    )
    from jaxcnn.plots.samples import (
        plot_augmented_samples as plot_augmented_samples,
        plot_contact_sheet as plot_contact_sheet,
    )
    from jaxcnn.plots.tuning import (
        plot_learning_rates as plot_learning_rates,
        plot_sweep as plot_sweep,
    )
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
