"""What is found in a scan's file, and whether it will reconstruct.

Definitions. Overlap: 1 - step / diameter, with the median distance of fourth neighbours (on a grid,
its step) and the diameter of the circle that holds 90 % of the probe's light. Coverage: frames that
light a pixel, on average over what they light. Oversampling of the detector: frame size / diameter,
both in object pixels (2 where speckles are resolved). Redundancy: measured numbers for each unknown
one, K N^2 / (2 x lit pixels): ptychography needs more than 1. Fresnel number: diameter^2 /
(wavelength x distance): from 1 on the detector is in the near field, where a frame is no
diffraction pattern.
"""

from ptychopinn_batch.inspection.area import lit_area
from ptychopinn_batch.inspection.look import inspect_scan
from ptychopinn_batch.inspection.record import Inspection

__all__ = ["Inspection", "inspect_scan", "lit_area"]
