"""The images that a task names, for every kind of task."""

from __future__ import annotations

from pathlib import Path

from facebench.data.image_names import ImageName
from facebench.data.pairs import ImagePaths, find_image_list, find_images
from facebench.tasks.base import BaseTask
from facebench.tasks.embedding import EmbeddingTask

__all__ = [
    "TaskImages",
    "different_names",
    "image_names",
    "images_by_name",
    "images_of",
    "names_of",
    "paths_of",
]

TaskImages = ImagePaths | list[Path]


def images_of(task: BaseTask | EmbeddingTask) -> TaskImages:
    """Find the files, of both sides of every pair, or of a list.

    Parameters
    ----------
    task : BaseTask or EmbeddingTask
        The task.

    Returns
    -------
    ImagePaths or list of Path

    Raises
    ------
    MissingImageError
        If some are missing.
    """
    if isinstance(task, BaseTask):
        return find_images(
            task.measured_pairs, task.images_path, task=task.name, pairs_path=task.pairs_file_path
        )
    return find_image_list(task.images, task.images_path, task=task.name)


def paths_of(images: TaskImages) -> list[Path]:
    """Give all files in one list."""
    return [*images.img1, *images.img2] if isinstance(images, ImagePaths) else images


def image_names(task: BaseTask | EmbeddingTask) -> list[str]:
    """Give all names as the task has them, whether there are such files or not."""
    if isinstance(task, BaseTask):
        pairs = task.measured_pairs
        return [name for column in ("img1", "img2") for name in pairs[column]]
    return task.images


def names_of(task: BaseTask | EmbeddingTask) -> list[ImageName]:
    """Give all images as names in the task's folder, whether there are such files or not."""
    known = different_names(task)
    return [known[name] for name in image_names(task)]


def different_names(task: BaseTask | EmbeddingTask) -> dict[str, ImageName]:
    """Give the images by their names in the table, which may have one in many rows."""
    return ImageName.all_of(task.images_path, image_names(task))


def images_by_name(task: BaseTask | EmbeddingTask) -> TaskImages:
    """Give where all files would be by their names, in the form of `images_of`."""
    path_of = {name: image.path for name, image in different_names(task).items()}
    paths = [path_of[name] for name in image_names(task)]
    if isinstance(task, BaseTask):
        half = len(paths) // 2
        return ImagePaths(paths[:half], paths[half:])
    return paths
