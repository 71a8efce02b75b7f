"""Stimuli for experiments on face perception: made of photographs, or rendered.

Manipulations are pure functions of a picture (and its 68 landmarks): inversion, the Thatcher
illusion, composites, rotation, spatial frequencies, parts, spacing, exchanged features, contrast,
noise, masks, morphs, averages and caricatures. `make_conditions` applies them to a folder of
photographs and writes the pairs that tasks read.

Rendered faces are parametric people, drawn as lit surfaces. Every image comes with the parameters
that made it and with its landmarks, and the same seeds give the same bytes everywhere. They stand
in for photographs in the demo and in the tests, and make controlled experiments possible (change
only the nose; turn the head but not the light); `make_rendered_faces` writes a folder of them with
the true distances between people.

Public names load when first used, so that importing the package stays fast.

Examples
--------
>>> from facebench.stimuli import render_face, sample_identity, sample_view
>>> face = render_face(sample_identity(1), sample_view(1), size=64)
>>> face.image.shape, sorted(face.landmarks)[:2]
((64, 64, 3), ['chin', 'five_points'])

From a folder of photographs, ``NAME/*.jpg``, to the Thatcher effect (here the photographs are
rendered ones):

>>> import tempfile
>>> from pathlib import Path
>>> from facebench.stimuli import Condition, make_conditions, make_rendered_faces
>>> folder = Path(tempfile.mkdtemp())
>>> rendered = make_rendered_faces(folder / "photographs", n_people=3, n_images=2, workers=1)
>>> coarse = Condition("low-pass", {"cycles_per_face": 4.0}, label="low-pass-4")
>>> stimuli = make_conditions(
...     rendered.images_path, folder / "stimuli", ["inverted", "thatcherised", coarse], workers=1
... )
>>> stimuli.made
{'upright': 6, 'inverted': 6, 'thatcherised': 6, 'low-pass-4': 6}
>>> sorted(stimuli.tables)
['inverted', 'low-pass-4', 'thatcherised', 'thatcherised-factorial', 'verification']
>>> stimuli.tables["thatcherised"].read_text().splitlines()[0]
'img1,img2,same,condition,identity1,identity2'
>>> stimuli.left_out
()

and, in a run of its own:

>>> from facebench import RelativeDifferenceTask
>>> task = RelativeDifferenceTask(
...     "Thatcher", stimuli.tables["thatcherised"], stimuli.images_path, group_column="condition"
... )
>>> [str(group) for group in task.groups]
['upright', 'inverted']
"""

from facebench.utils.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
