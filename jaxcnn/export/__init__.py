"""Export a classifier: programs that need nothing of this package, a script, a model card.

`export_classifier` writes all of it; `to_stablehlo` gives the program alone.
"""

from jaxcnn.export.exporting import FORMATS, check_formats, export_classifier
from jaxcnn.export.folder import check_free
from jaxcnn.export.program import PLATFORMS, ExportError, predict_function, to_stablehlo

__all__ = [
    "FORMATS",
    "PLATFORMS",
    "ExportError",
    "check_formats",
    "check_free",
    "export_classifier",
    "predict_function",
    "to_stablehlo",
]
