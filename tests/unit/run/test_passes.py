"""What tasks want of a pass is worked out once, for all networks."""

from __future__ import annotations

from pathlib import Path

from facebench.run.passes import ModelPasses, sides_of
from facebench.run.task_images import images_of
from support import runs


def test_networks_share_what_tasks_want_and_rows_give_their_images(tmp_path: Path) -> None:
    tasks = runs.tasks(runs.make_world(tmp_path))
    images = {task.name: images_of(task) for task in tasks}
    passes = ModelPasses(tasks, images, None, all_rows=False)
    [(part, request)] = passes.of(runs.make_model(["4"]))
    [(_, again)] = passes.of(runs.make_model(["4"]))
    assert again is request
    assert list(part.tasks) == tasks
    for task in tasks:
        first, second = sides_of(task, images[task.name], request)
        for side, column in ((first, "img1"), (second, "img2")):
            found = [str(request.images[number]) for number in side]
            wanted = [str(task.images_path / name) for name in task.pairs_df[column]]
            assert found == wanted
