"""Faces in photographs: detection, landmarks, and aligned face chips.

`detection` finds the face, `landmarks` its points, `chips` cuts it out as dlib's network expects
it, `alignment` does so for a folder of photographs. Pictures are RGB arrays
[height, width, 3] of dtype uint8; points are (x, y) in pixels, x to the right and y down.
"""

from typing import Literal

__all__ = ["NO_FACE", "WhichFace"]

# Which of several faces in one photograph is taken.
WhichFace = Literal["nearest-centre", "most-certain", "largest"]
# The remark on an image in which no face was found; a run counts these as failures to process.
NO_FACE = "no face found"
