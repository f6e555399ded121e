"""What a run will cost, before it is run: memory, arithmetic and hours.

- `plan`: from settings and the data's size to an estimate for each machine;
- `step_cost`: what the compiler counts for one training step;
- `accelerators`: machines to plan for, with their peaks.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.runs.planning.accelerators import Accelerator as Accelerator, Machine as Machine
    from jaxcnn.runs.planning.plan import (
        DataSize as DataSize,
        Plan as Plan,
        find_size as find_size,
        make_plan as make_plan,
    )
    from jaxcnn.runs.planning.step_cost import StepCost as StepCost, measure_step as measure_step
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
