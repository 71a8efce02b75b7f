"""The images that a task names, for every kind of task."""

from __future__ import annotations

from pathlib import Path

from facebench.data.image_names import ImageName
from facebench.data.pairs import ImagePaths, find_image_list, find_images, numbered_images
from facebench.tasks.base import BaseTask
from facebench.tasks.embedding import EmbeddingTask

__all__ = [
    "TaskImages",
    "different_names",
    "different_paths",
    "image_names",
    "images_by_name",
    "images_of",
    "names_of",
    "paths_of",
]

TaskImages = ImagePaths | list[Path]


def images_of(task: BaseTask | EmbeddingTask) -> TaskImages:
    """Find the files, of both sides of every pair, or of a list.

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


def different_paths(images: TaskImages) -> list[Path]:
    """Give every file once."""
    return images.different if isinstance(images, ImagePaths) else list(dict.fromkeys(images))


def paths_of(images: TaskImages) -> list[Path]:
    """Give all files in one list."""
    return [*images.img1, *images.img2] if isinstance(images, ImagePaths) else images


def image_names(task: BaseTask | EmbeddingTask) -> list[str]:
    """Give all names as the task has them, whether there are such files or not."""
    if not isinstance(task, BaseTask):
        return task.images
    numbers, names = numbered_images(task.measured_pairs)
    # An object for every image, not for every row.
    return [names[number] for number in numbers.tolist()]


def names_of(task: BaseTask | EmbeddingTask) -> list[ImageName]:
    """Give all images as names in the task's folder, whether there are such files or not."""
    known = different_names(task)
    return [known[name] for name in image_names(task)]


def different_names(task: BaseTask | EmbeddingTask) -> dict[str, ImageName]:
    """Give the images by their names in the table, which may have one in many rows."""
    if isinstance(task, BaseTask):
        return ImageName.all_of(task.images_path, numbered_images(task.measured_pairs)[1])
    return ImageName.all_of(task.images_path, task.images)


def images_by_name(task: BaseTask | EmbeddingTask) -> TaskImages:
    """Give where all files would be by their names, in the form of `images_of`."""
    if isinstance(task, BaseTask):
        numbers, names = numbered_images(task.measured_pairs)
        known = ImageName.all_of(task.images_path, names)
        return ImagePaths.of(numbers, [known[name].path for name in names])
    path_of = {name: image.path for name, image in different_names(task).items()}
    return [path_of[name] for name in task.images]
