"""The demo: faces, versions of them, pair tables for all four kinds of task, and the experiment.

`prepare_rendered_faces` and `prepare_photographs` make the stimuli and tables in a folder,
`write_experiment` the YAML file that `facebench run` takes. The same seed gives the same files.
"""

from __future__ import annotations

from facebench.demo.experiment import write_experiment
from facebench.demo.photographs import prepare_photographs
from facebench.demo.rendered import prepare_rendered_faces
from facebench.demo.stimuli import DemoStimuli

__all__ = ["DemoStimuli", "prepare_photographs", "prepare_rendered_faces", "write_experiment"]
