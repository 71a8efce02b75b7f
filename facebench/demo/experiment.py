"""The demo's experiment: two networks, classic questions, the tasks of the first description."""

from __future__ import annotations

from pathlib import Path

from facebench.demo.stimuli import DemoStimuli
from facebench.utils.files import atomic_path

__all__ = ["write_experiment"]

_EXPERIMENT = """\
# The experiment of `facebench demo`. Change it and run it again:
#
#     facebench run {file}
#
# Every setting: docs/configuration.md, or `facebench schema`. Paths are relative to this file.

name: demo
output: runs
images: stimuli
distance: euclidean

models:
  dlib-resnet:            # a face network; its weights come with pip
    model: dlib-resnet
    align: false          # these faces are aligned already
  vgg16-untrained:        # a control
    model: vgg16
    pretrained: false
    layers: [avgpool, classifier.5]

tasks:
  Verification:           # how well is identity verified?
    task: verification
    pairs: stimuli/same_upright.csv
    true_label: same
    folds: 5
    far: [0.1]
  Inversion effect:       # are inverted faces harder?
    task: inversion-effect
    pairs: stimuli/inversion.csv
  Thatcher effect:        # are inverted eyes and mouth noticed in upright faces only?
    task: thatcher-effect
    pairs: stimuli/thatcher.csv
    condition_column: orientation
{ratings}
  # The tasks of the first description:
  "{label}, same person, upright":
    task: accuracy
    pairs: stimuli/same_upright.csv
    true_label: same
  "{label}, same person, inverted":
    task: accuracy
    pairs: stimuli/same_inverted.csv
    true_label: same
  "{label}, {distance_name}":
    task: correlation
    pairs: stimuli/distances.csv
    correlation: spearman
  "{label}, conditions":
    task: conditioned-average
    pairs: stimuli/conditions.csv
  "{label}, Thatcher":
    task: relative-difference
    pairs: stimuli/thatcher.csv
    group_column: orientation
"""
_RATINGS = """\
  Similarity ratings:     # do distances follow the ratings of (simulated) people?
    task: similarity
    pairs: stimuli/ratings.csv
    rating: distance
"""


def write_experiment(stimuli: DemoStimuli) -> Path:
    """Write the experiment beside its stimuli.

    Parameters
    ----------
    stimuli : DemoStimuli
        The faces.

    Returns
    -------
    Path
        The file, for `facebench run`.
    """
    file = stimuli.images_path.parent / "experiment.yaml"
    text = _EXPERIMENT.format(
        file=file,
        label=stimuli.label.replace("\\", "\\\\").replace('"', '\\"'),
        distance_name=stimuli.distance_name,
        ratings=_RATINGS if stimuli.has_ratings else "",
    )
    with atomic_path(file) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return file
