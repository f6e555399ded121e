"""Look inside a trained network: choose what to show of it, and have it drawn into a folder.

`photos` does so with photos at hand; `data` with the photos that a run was trained and tested on.
"""

from jaxcnn.runs.look_inside.data import look_at_data
from jaxcnn.runs.look_inside.explanations import MAX_PHOTOS, look_at_photos

__all__ = ["MAX_PHOTOS", "look_at_data", "look_at_photos"]
