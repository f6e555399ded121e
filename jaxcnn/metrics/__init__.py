"""How good a network is: counts, intervals, calibration, overfitting, baselines, label quality.

Pure functions of labels and predictions. Imports `host` and `types`.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.metrics.calibration import (
        Calibration as Calibration,
        CalibrationCurve as CalibrationCurve,
        apply_temperature as apply_temperature,
        calibrate as calibrate,
        calibration_curve as calibration_curve,
        confidence_bins as confidence_bins,
        expected_calibration_error as expected_calibration_error,
        fit_temperature as fit_temperature,
        most_confident_errors as most_confident_errors,
    )
    from jaxcnn.metrics.classification import (
        ClassScores as ClassScores,
        accuracy as accuracy,
        batch_metrics as batch_metrics,
        confusion_matrix as confusion_matrix,
        empty_metrics as empty_metrics,
        mean_loss as mean_loss,
        merge as merge,
        most_confused as most_confused,
        per_class_precision_recall as per_class_precision_recall,
        top_k_accuracy as top_k_accuracy,
        wilson_interval as wilson_interval,
    )
    from jaxcnn.metrics.histogram_baselines import (
        BaselineResult as BaselineResult,
        baseline_accuracy as baseline_accuracy,
        color_histogram as color_histogram,
        edge_orientation_histogram as edge_orientation_histogram,
        histogram_baselines as histogram_baselines,
    )
    from jaxcnn.metrics.label_quality import (
        Suspicion as Suspicion,
        cross_validated_probabilities as cross_validated_probabilities,
        error_norms as error_norms,
        label_losses as label_losses,
        margins as margins,
        rank_by as rank_by,
        suspect_labels as suspect_labels,
    )
    from jaxcnn.metrics.logistic_regression import (
        LogisticRegression as LogisticRegression,
        fit_logistic_regression as fit_logistic_regression,
    )
    from jaxcnn.metrics.overfitting import (
        Overfitting as Overfitting,
        find_overfitting as find_overfitting,
    )
    from jaxcnn.metrics.per_example_gradients import (
        GradientSums as GradientSums,
        NoiseScale as NoiseScale,
        add_sums as add_sums,
        explain_noise_scale as explain_noise_scale,
        make_gradient_summary as make_gradient_summary,
        make_per_example_gradients as make_per_example_gradients,
        noise_scale as noise_scale,
        noise_scale_of_batches as noise_scale_of_batches,
    )
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
