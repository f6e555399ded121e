"""How good a network is: counts, intervals, calibration, overfitting, baselines, label quality.

`metric` says what a metric is, and `registry` gives them by name: those of `summed` add up over
batches in the compiled step, those of `ranking` need the probabilities of all examples.

The others are pure functions of labels and predictions. `classification` counts what is right and
bounds it; `calibration` compares confidence with accuracy; `out_of_distribution` scores what is
none of the classes, `conformal` gives sets of classes; `overfitting` reads a history;
`multi_label` chooses thresholds and measures sets of labels; `label_quality` finds labels that look
wrong; `per_example_gradients` gives gradient norms and the noise scale; `baselines` and
`logistic_regression` are what a network must beat. Imports `jaxcnn.types` and `jaxcnn.host`.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.metrics.baselines import (
        BaselineResult as BaselineResult,
        baseline_accuracy as baseline_accuracy,
        color_histogram as color_histogram,
        edge_orientation_histogram as edge_orientation_histogram,
        histogram_baselines as histogram_baselines,
    )
    from jaxcnn.metrics.calibration import (
        Calibration as Calibration,
        CalibrationCurve as CalibrationCurve,
        apply_temperature as apply_temperature,
        calibrate as calibrate,
        calibration_curve as calibration_curve,
        choose_temperature as choose_temperature,
        expected_calibration_error as expected_calibration_error,
        fit_temperature as fit_temperature,
        most_confident_errors as most_confident_errors,
    )
    from jaxcnn.metrics.classification import (
        confusion_matrix as confusion_matrix,
        most_confused as most_confused,
        per_class_precision_recall as per_class_precision_recall,
        wilson_interval as wilson_interval,
    )
    from jaxcnn.metrics.conformal import (
        SetQuality as SetQuality,
        adaptive as adaptive,
        calibrate_sets as calibrate_sets,
        label_scores as label_scores,
        least_ambiguous as least_ambiguous,
        prediction_sets as prediction_sets,
        regularized as regularized,
        set_quality as set_quality,
    )
    from jaxcnn.metrics.label_quality import (
        Suspicion as Suspicion,
        cross_validated_probabilities as cross_validated_probabilities,
        error_norms as error_norms,
        label_losses as label_losses,
        rank_by as rank_by,
        suspect_labels as suspect_labels,
    )
    from jaxcnn.metrics.logistic_regression import (
        LogisticRegression as LogisticRegression,
        fit_logistic_regression as fit_logistic_regression,
    )
    from jaxcnn.metrics.metric import (
        GatheredMetric as GatheredMetric,
        Metric as Metric,
        Outputs as Outputs,
    )
    from jaxcnn.metrics.multi_label import (
        SetScores as SetScores,
        choose_thresholds as choose_thresholds,
        predicted_sets as predicted_sets,
        score_sets as score_sets,
    )
    from jaxcnn.metrics.out_of_distribution import (
        Gaussians as Gaussians,
        Neighbours as Neighbours,
        RelativeGaussians as RelativeGaussians,
        Separation as Separation,
        energy as energy,
        fit_gaussians as fit_gaussians,
        fit_neighbours as fit_neighbours,
        fit_relative_gaussians as fit_relative_gaussians,
        mahalanobis as mahalanobis,
        max_probability as max_probability,
        nearest_neighbours as nearest_neighbours,
        relative_mahalanobis as relative_mahalanobis,
        separation as separation,
        threshold_for as threshold_for,
    )
    from jaxcnn.metrics.overfitting import (
        Overfitting as Overfitting,
        find_overfitting as find_overfitting,
    )
    from jaxcnn.metrics.per_example_gradients import (
        GradientSums as GradientSums,
        NoiseScale as NoiseScale,
        explain_noise_scale as explain_noise_scale,
        make_gradient_summary as make_gradient_summary,
        noise_scale as noise_scale,
    )
    from jaxcnn.metrics.ranking import (
        auroc as auroc,
        average_precision as average_precision,
        average_precision_per_class as average_precision_per_class,
        mean_average_precision as mean_average_precision,
    )
    from jaxcnn.metrics.registry import (
        get_metric as get_metric,
        list_metrics as list_metrics,
        parse_metrics as parse_metrics,
    )
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
