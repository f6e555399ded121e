"""Export a classifier: programs that need nothing of this package, a script, a model card.

- `exporting`: `export_classifier` writes all of it, into a folder that is whole or not there.
- `program`: the program by StableHLO; `onnx_program`: by ONNX; `standalone`: the script.
- `card`: the model card in Markdown, from what the run says of itself.
"""

from jaxcnn.export.exporting import FORMATS, export_classifier
from jaxcnn.export.program import PLATFORMS, ExportError, predict_function, to_stablehlo

__all__ = [
    "FORMATS",
    "PLATFORMS",
    "ExportError",
    "export_classifier",
    "predict_function",
    "to_stablehlo",
]
