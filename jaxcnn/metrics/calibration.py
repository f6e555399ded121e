"""Whether a network means its probabilities, and how to make it: calibration and temperature.

On the host, in NumPy and float64, like the statistics of `metrics`.
"""

from typing import NamedTuple

import numpy as np

from jaxcnn.metrics.classification import check_classes, check_same_length, wilson_interval

_LEAST, _MOST = 0.05, 20.0  # temperatures; beyond them answers are surer or vaguer than is of use
_LEAST_GAIN = 1.92  # half of the 95 % point of chi-squared with one degree of freedom
_SMALLEST = float(np.finfo(np.float32).tiny)  # a float32 probability of 0 is not quite 0


class CalibrationCurve(NamedTuple):
    """Accuracy by confidence, one row per bin; NaN where a bin is empty."""

    edges: np.ndarray  # (M + 1,) float64, bin m holds confidences in (edges[m], edges[m + 1]]
    confidence: np.ndarray  # (M,) float64, mean probability of the predicted class
    accuracy: np.ndarray  # (M,) float64, share of right predictions
    interval: np.ndarray  # (M, 2) float64, 95 % Wilson interval of the accuracy
    count: np.ndarray  # type: ignore[assignment]  # (M,) int64, examples

    @property
    def error(self) -> float:
        """Expected calibration error, see `expected_calibration_error`."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float(np.nansum(gaps * self.count) / self.count.sum())


class Calibration(NamedTuple):
    """How a network is calibrated on a split, before and after temperature scaling."""

    curve: CalibrationCurve  # as it is
    scaled: CalibrationCurve  # with its logits divided by the temperature
    temperature: float  # chosen on validation; above 1 the network was too sure


def expected_calibration_error(
    probabilities: np.ndarray, labels: np.ndarray, *, num_bins: int = 15
) -> float:
    """Compute how far a network's confidence is from its accuracy, on average.

    An example's confidence is the probability of its most probable class. The examples are put in
    bins of equal width by confidence, bin m holding ((m - 1) / num_bins, m / num_bins], and

        error = sum over bins of (share of the examples) |mean accuracy - mean confidence|

    Args:
      probabilities: (N, K), rows that sum to 1.
      labels: (N,) integers in [0, K).
      num_bins: number of bins, at least 1.

    Returns:
      The error, in [0, 1]; 0 for perfect calibration.

    Raises:
      ValueError: if shapes differ, there is no example, a label is out of range or num_bins < 1.

    Example:
      >>> probabilities = np.array([[0.9, 0.1], [0.9, 0.1]])
      >>> round(expected_calibration_error(probabilities, np.array([0, 1])), 3)
      0.4

    Source: Guo et al. 2017, arXiv:1706.04599, equation 3.
    """
    confidence, right, bins = _binned(probabilities, labels, num_bins)
    # The number of examples in a bin cancels out: share times mean is sum over N.
    gaps = np.bincount(bins, weights=right - confidence, minlength=num_bins)
    return float(np.abs(gaps).sum() / len(right))


def calibration_curve(
    probabilities: np.ndarray, labels: np.ndarray, *, num_bins: int = 15
) -> CalibrationCurve:
    """Compare confidence with accuracy, by bins of confidence of equal width.

    An example's confidence is the probability of its most probable class.

    Args:
      probabilities: (N, K), rows that sum to 1.
      labels: (N,) integers in [0, K).
      num_bins: number of bins, at least 1.

    Returns:
      The curve.

    Raises:
      ValueError: if shapes differ, there is no example, a label is out of range or num_bins < 1.

    Example:
      >>> probabilities = np.array([[0.9, 0.1], [0.9, 0.1]])
      >>> curve = calibration_curve(probabilities, np.array([0, 1]), num_bins=2)
      >>> curve.confidence.tolist(), curve.accuracy.tolist(), curve.count.tolist()
      ([nan, 0.9], [nan, 0.5], [0, 2])

    Source: Guo et al. 2017, arXiv:1706.04599, section 2.
    """
    confidence, right, bins = _binned(probabilities, labels, num_bins)
    count = np.bincount(bins, minlength=num_bins)
    num_right = np.bincount(bins, weights=right, minlength=num_bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(bins, weights=confidence, minlength=num_bins) / count
        accuracy = num_right / count
    interval = [
        wilson_interval(int(r), int(n)) if n else (np.nan, np.nan)
        for r, n in zip(num_right, count, strict=True)
    ]
    edges = np.linspace(0, 1, num_bins + 1)
    return CalibrationCurve(edges, mean, accuracy, np.array(interval), count)


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Find the temperature by which to divide the logits, so that the labels are likeliest.

    The loss is convex in the inverse temperature, so that its slope has one zero, which halving
    intervals finds. Fit it on the validation split, never on the test split.

    Args:
      probabilities: (N, K), rows that sum to 1; their logarithms serve as logits, which differ from
        the network's by one number per row, which changes nothing.
      labels: (N,) integers in [0, K).

    Returns:
      The temperature, within [0.05, 20]: the least where all predictions are right, since then
      nothing is too sure.

    Raises:
      ValueError: if shapes differ, there is no example or a label is out of range.

    Example:
      >>> probabilities = np.array([[0.99, 0.01]] * 4)
      >>> labels = np.array([0, 0, 0, 1])  # three quarters right, at a confidence of 99 %
      >>> temperature = fit_temperature(probabilities, labels)
      >>> apply_temperature(probabilities, temperature)[0].round(3).tolist()
      [0.75, 0.25]

    Source: Guo et al. 2017, arXiv:1706.04599, section 4.2; deviation: the minimum is found by
    bisection.
    """
    probabilities, labels = _checked(probabilities, labels)
    logits = _logits(probabilities)
    own = np.take_along_axis(logits, labels[:, None], axis=1)[:, 0]

    def slope(inverse: float) -> float:
        """Give the derivative of the mean loss by the inverse temperature."""
        weights = softmax(inverse * logits)
        return float(((weights * logits).sum(axis=1) - own).mean())

    low, high = 1 / _MOST, 1 / _LEAST
    for _ in range(60):  # to the last digit of float64
        middle = (low * high) ** 0.5
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return float(np.clip(1 / low, _LEAST, _MOST))


def choose_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Fit a temperature, and keep it only if it is significantly better than 1; else give 1.

    Fitted on few examples, a temperature may be far from the best one for others. It is kept if the
    likelihood-ratio test rejects a temperature of 1 at 5 %: if it lowers the sum of the log losses
    by more than 1.92. If all predictions are right, nothing says how sure to be: it is 1.

    Args:
      probabilities: (N, K), rows that sum to 1.
      labels: (N,) integers in [0, K).

    Returns:
      The temperature, see `fit_temperature`, or 1.

    Raises:
      ValueError: as `fit_temperature`.

    Example:
      >>> few = np.array([[0.9, 0.1]] * 4), np.array([0, 0, 0, 1])
      >>> choose_temperature(*few), choose_temperature(*(np.repeat(a, 50, axis=0) for a in few)) > 1
      (1.0, True)

    Source: Wilks 1938, doi:10.1214/aoms/1177732360.
    """
    temperature = fit_temperature(probabilities, labels)
    probabilities, labels = _checked(probabilities, labels)
    if (probabilities.argmax(axis=1) == labels).all():
        return 1.0
    before, after = (
        np.log(np.maximum(p[np.arange(len(labels)), labels], _SMALLEST)).sum()
        for p in (probabilities, apply_temperature(probabilities, temperature))
    )
    return temperature if after - before > _LEAST_GAIN else 1.0


def apply_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Divide the logits behind probabilities by a temperature.

    The most probable class stays the same, so the accuracy does.

    Args:
      probabilities: (N, K), rows that sum to 1.
      temperature: > 0; above 1 makes answers less sure.

    Returns:
      (N, K) float64, rows that sum to 1.

    Raises:
      ValueError: if the temperature is not above 0.

    Example:
      >>> apply_temperature(np.array([[0.9, 0.1]]), 2.0).round(2).tolist()
      [[0.75, 0.25]]

    Source: Guo et al. 2017, arXiv:1706.04599, equation 9.
    """
    if not temperature > 0:
        raise ValueError(f"temperature (={temperature}) must be above 0.")
    return softmax(_logits(probabilities) / temperature)


def calibrate(
    validation: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]
) -> Calibration:
    """Measure calibration on the test split, as it is and with a temperature fitted on validation.

    Args:
      validation: (N, K) probabilities and (N,) labels, to fit the temperature on.
      test: (N, K) probabilities and (N,) labels, to measure on.

    Returns:
      Both curves and the temperature.

    Raises:
      ValueError: if shapes differ, there is no example or a label is out of range.

    Example:
      >>> answers = np.array([[0.99, 0.01]] * 100), np.array([0, 0, 0, 1] * 25)  # 75 % right
      >>> found = calibrate(validation=answers, test=answers)
      >>> round(found.curve.error, 2), round(found.scaled.error, 2), found.temperature > 1
      (0.24, 0.0, True)
    """
    temperature = choose_temperature(*validation)
    probabilities, labels = test
    scaled = apply_temperature(probabilities, temperature)
    curve, after = calibration_curve(probabilities, labels), calibration_curve(scaled, labels)
    return Calibration(curve, after, temperature)


def most_confident_errors(
    probabilities: np.ndarray, labels: np.ndarray, *, count: int = 16
) -> np.ndarray:
    """Find the examples that a network got wrong, the surest mistake first.

    Args:
      probabilities: (N, K), rows that sum to 1.
      labels: (N,) integers in [0, K).
      count: the most to give.

    Returns:
      (M,) int64 positions, M <= count; ties in the order of the examples.

    Example:
      >>> probabilities = np.array([[0.6, 0.4], [0.1, 0.9], [0.2, 0.8]])
      >>> most_confident_errors(probabilities, np.array([1, 1, 0])).tolist()
      [2, 0]
    """
    probabilities = np.asarray(probabilities)
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != np.asarray(labels))
    confidence = probabilities[wrong].max(axis=1)
    return wrong[np.argsort(-confidence, kind="stable")][:count]


def _checked(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    probabilities, labels = np.asarray(probabilities, np.float64), np.asarray(labels)
    check_probabilities(probabilities, labels)
    return probabilities, labels


def check_probabilities(probabilities: np.ndarray, labels: np.ndarray) -> None:
    """Raise ValueError unless they are (N, K) of N > 0 labels, (N,) integers in [0, K)."""
    if probabilities.ndim != 2 or not len(labels):
        raise ValueError(
            f"probabilities must be (N, K) of at least 1 example, got {probabilities.shape}."
        )
    check_same_length(labels, probabilities)
    check_classes("labels", labels, probabilities.shape[1])


def _binned(
    probabilities: np.ndarray, labels: np.ndarray, num_bins: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give each example's confidence, whether it is right, and its bin, (N,) each.

    Bin m holds the confidences in ((m - 1) / num_bins, m / num_bins]; 0 is in the first.
    """
    probabilities, labels = _checked(probabilities, labels)
    if num_bins < 1:
        raise ValueError(f"num_bins must be at least 1, got {num_bins}.")
    confidence = probabilities.max(axis=1)
    bins = np.ceil(confidence * num_bins).astype(np.int64) - 1
    right = probabilities.argmax(axis=1) == labels
    return confidence, right, np.clip(bins, 0, num_bins - 1)


def _logits(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(np.asarray(probabilities, np.float64), _SMALLEST))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn (N, K) logits into probabilities, on the host."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)
