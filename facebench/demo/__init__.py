"""The demo: faces, versions of them, pair tables for all four kinds of task, and the experiment."""

from __future__ import annotations

from facebench.demo.experiment import write_experiment
from facebench.demo.photographs import prepare_photographs
from facebench.demo.rendered import prepare_rendered_faces
from facebench.demo.stimuli import DemoStimuli

__all__ = ["DemoStimuli", "prepare_photographs", "prepare_rendered_faces", "write_experiment"]
