"""Put the current base classes into the README's prompts, so that they are never out of date.

Run it with `python docs/fill_readme.py` after changing BaseModel or BaseTask; a test tells when it
is due.
"""

import inspect
import re
from pathlib import Path

from facebench import BaseModel, BaseTask

README = Path(__file__).parents[1] / "README.md"
WISHES = {
    "model": (
        BaseModel,
        "a new model called ResNetModel that extends BaseModel and uses the pre-trained ResNet50 "
        "of torchvision.models. It should use the pretrained weights unless a weights_path is "
        "given, implement the abstract methods, and override preprocess_image only if necessary.",
    ),
    "task": (
        BaseTask,
        "a new task called MeanSquaredErrorTask that extends BaseTask and computes the mean "
        "squared error between 'model_computed_distance' and the column 'true_distance' of the "
        "pairs file. It should return a DataFrame with the column 'Mean Squared Error' and draw "
        "it with PlotHelper.bar_plot(performances, y, ylabel, title_prefix, output_dir, "
        "file_name).",
    ),
}


def prompt(kind: str) -> str:
    """Write the prompt for a model or a task."""
    base, wish = WISHES[kind]
    return (
        "I work with facebench, a tool that compares networks on face tasks. "
        f"Its models and tasks extend base classes; this is {base.__name__}:\n\n"
        f"```py\n{inspect.getsource(base).rstrip()}\n```\n\n"
        f"Please write {wish}\n"
    )


def filled(text: str) -> str:
    """Give the README with both prompts as they should be."""
    for kind in WISHES:
        start, end = f"<!-- prompt: {kind} -->", f"<!-- end of prompt: {kind} -->"
        pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
        block = f"{start}\n\n{prompt(kind)}\n{end}"
        text = pattern.sub(lambda _, block=block: block, text)
    return text


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
