"""What a run would do, as tables."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from facebench.utils.units import shown_bytes, shown_seconds

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LayerPlan", "ModelPlan", "RunPlan", "TaskPlan"]


@dataclass(frozen=True)
class LayerPlan:
    """One layer of a model.

    Attributes
    ----------
    layer : str
        Its name.
    width : int
        Values per image.
    how : {'kept', 'streamed', 'spilled'}
        Kept in memory, and in the store; compared while it is in memory; or waiting on disk.
    n_stored : int
        Images (of streamed and spilled layers: pairs) that the store has.
    """

    layer: str
    width: int
    how: str
    n_stored: int


@dataclass(frozen=True)
class ModelPlan:
    """One model.

    Attributes
    ----------
    model : str
        Its name.
    n_images : int
        Different images that the tasks need.
    n_stored : int
        Those of which the store has all that is needed.
    n_to_embed : int
        The others.
    n_forwards : int
        Images to send through the network, those that go twice counted twice.
    layers : list of LayerPlan
        In network order.
    memory_bytes, disk_bytes : int
        What tables and waiting images take at most; what goes to the store and to temporary files.
    seconds : float or None
        Expected time, by one timed batch; None where nothing was timed since nothing is to do.
    note : str
        Why nothing will be stored, if so.
    """

    model: str
    n_images: int
    n_stored: int
    n_to_embed: int
    n_forwards: int
    layers: list[LayerPlan]
    memory_bytes: int
    disk_bytes: int
    seconds: float | None
    note: str = ""


@dataclass(frozen=True)
class TaskPlan:
    """One task.

    Attributes
    ----------
    task : str
        Its name.
    n_pairs, n_images : int
        Pairs (0 of a task without) and different image files it needs.
    missing : list of str
        Images that are not there.
    """

    task: str
    n_pairs: int
    n_images: int
    missing: list[str]


@dataclass(frozen=True)
class RunPlan:
    """What a run would do; prints as a table.

    Attributes
    ----------
    models : list of ModelPlan
        In the manager's order.
    tasks : list of TaskPlan
        Likewise.
    warnings : list of str
        What is known already to go against comparing conditions: alignment that does not suit.
    """

    models: list[ModelPlan]
    tasks: list[TaskPlan]
    warnings: list[str] = field(default_factory=list)

    def to_frame(self) -> pd.DataFrame:
        """Give a row per model: what its pass takes.

        Returns
        -------
        DataFrame
            Model, Images, Stored, To Embed, Forwards, Layers, Wide Layers, Widest, Memory, Disk
            (bytes), Seconds.
        """
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "Model": plan.model,
                    "Images": plan.n_images,
                    "Stored": plan.n_stored,
                    "To Embed": plan.n_to_embed,
                    "Forwards": plan.n_forwards,
                    "Layers": len(plan.layers),
                    "Wide Layers": sum(layer.how != "kept" for layer in plan.layers),
                    "Widest": max((layer.width for layer in plan.layers), default=0),
                    "Memory": plan.memory_bytes,
                    "Disk": plan.disk_bytes,
                    "Seconds": plan.seconds,
                }
                for plan in self.models
            ]
        )

    def tasks_frame(self) -> pd.DataFrame:
        """Give a row per task: Task, Pairs, Images, Missing."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "Task": plan.task,
                    "Pairs": plan.n_pairs,
                    "Images": plan.n_images,
                    "Missing": len(plan.missing),
                }
                for plan in self.tasks
            ]
        )

    def layers_frame(self) -> pd.DataFrame:
        """Give a row per model and layer: Model, Layer, Width, How, Stored."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "Model": plan.model,
                    "Layer": layer.layer,
                    "Width": layer.width,
                    "How": layer.how,
                    "Stored": layer.n_stored,
                }
                for plan in self.models
                for layer in plan.layers
            ]
        )

    def as_dict(self) -> dict[str, Any]:
        """Give everything as what JSON can hold."""
        return asdict(self)

    @override
    def __str__(self) -> str:
        models = self.to_frame()
        # What says nothing is left out: the table is to fit on a terminal.
        if (models["Forwards"] == models["To Embed"]).all():
            del models["Forwards"]
        for column in ("Wide Layers", "Disk"):
            if not models[column].any():
                del models[column]
        for column in models.columns.intersection(["Memory", "Disk"]):
            models[column] = models[column].map(shown_bytes)
        seconds = models.pop("Seconds").astype(float)
        models["Time"] = ["-" if value != value else shown_seconds(value) for value in seconds]
        missing = [
            f"Task {plan.task!r}: {len(plan.missing)} images missing, first {plan.missing[0]!r}."
            for plan in self.tasks
            if plan.missing
        ]
        notes = [f"Model {plan.model!r}: {plan.note}" for plan in self.models if plan.note]
        tables = [models.to_string(index=False), self.tasks_frame().to_string(index=False)]
        return "\n\n".join([*tables, *missing, *notes, *self.warnings])
