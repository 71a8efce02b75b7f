"""Faces in photographs: detection, landmarks, and aligned face chips.

`chips` finds the face and cuts it out as dlib's network expects it, `landmarks` gives the 68
landmarks that stimuli need, `alignment` aligns a folder of photographs. Pictures are RGB arrays
[height, width, 3] of dtype uint8; points are (x, y) in pixels, x to the right and y down.
"""
