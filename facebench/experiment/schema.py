"""All that the file of an experiment may say, as pydantic models and as a JSON schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from facebench.errors import InputError
from facebench.experiment.arguments import is_plain
from facebench.experiment.registry import METRICS, MODELS, TASKS, Registry
from facebench.experiment.sources import NAMED
from facebench.types import SHORT_PRECISIONS
from facebench.utils.units import as_bytes

if TYPE_CHECKING:
    from facebench.experiment.reference import Reference

__all__ = ["DEVICES", "ExperimentSettings", "ModelEntry", "TaskEntry", "json_schema"]

DEVICES = ("auto", "cpu", "cuda", "mps", "xpu")


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | int) and not isinstance(value, bool) else value


def _as_bytes(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return as_bytes(value, "max_memory")
    except InputError as error:
        msg = "be a size such as '4 GB'"
        raise ValueError(msg) from error


def _as_engine(value: Any) -> Any:
    if isinstance(value, str) and "int8" in value.lower():
        msg = (
            "be an engine that gives torch's numbers: networks are not quantised. Give a quantised "
            "file as a model of its own ('model: onnx')"
        )
        raise ValueError(msg)
    return value


def _as_precision(value: Any) -> Any:
    return SHORT_PRECISIONS.get(value, value) if isinstance(value, str) else value


def _as_device(value: str) -> str:
    if value.partition(":")[0] not in DEVICES:
        msg = "be 'auto', 'cpu', 'cuda:0', 'mps' or 'xpu'"
        raise ValueError(msg)
    return value


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, allow_inf_nan=False)


class SeriesPoint(_Checked):
    """Where a model stands in a series of checkpoints."""

    of: str = Field(min_length=1, description="The series.")
    x: float = Field(description="Its value: epoch, step, size of the training set …")
    label: str = Field("Checkpoint", description="What x is, for figures.")
    log: bool = Field(False, description="Whether figures have a logarithmic axis.")


class ModelEntry(_Checked):
    """One model; further keys are arguments of its class."""

    model_config = ConfigDict(extra="allow")
    model: str = Field(
        min_length=1,
        description="A registered name (`facebench models`), 'module:Class', or a .py file.",
    )
    layers: Annotated[list[str] | None, BeforeValidator(_as_list)] = Field(
        None, description="Names, globs such as 'features.*', or 'all'. Default: the output."
    )
    seeds: Annotated[list[int] | None, BeforeValidator(_as_list)] = Field(
        None,
        min_length=1,
        description="A copy of the model for each of these seeds: untrained controls.",
    )
    series: SeriesPoint | None = Field(
        None, description="Where the model stands in a series of checkpoints."
    )


class TaskEntry(_Checked):
    """One task; further keys are arguments of its class."""

    model_config = ConfigDict(extra="allow")
    task: str = Field(
        min_length=1,
        description="A registered name (`facebench tasks`), 'module:Class', or a .py file.",
    )


class ExperimentSettings(_Checked):
    """All that a configuration may say."""

    name: str = Field("", description="Name of the experiment. Default: the file's.")
    images: Path | None = Field(
        None, description="The folder image names are relative to, where a task names no other."
    )
    distance: str | None = Field(
        None, description="Distance of tasks that name no other (`facebench metrics`)."
    )
    models: dict[str, ModelEntry] = Field(min_length=1, description="The models, by name.")
    tasks: dict[str, TaskEntry] = Field(min_length=1, description="The tasks, by name.")
    device: Annotated[str, AfterValidator(_as_device)] = Field(
        "auto", description="'auto', 'cpu', 'cuda:0', 'mps'."
    )
    batch_size: int = Field(32, ge=1, description="Images per forward pass.")
    num_workers: int | None = Field(
        None, ge=0, description="Processes that decode images. Default: one per core."
    )
    on_bad_image: Literal["stop", "skip"] = Field(
        "stop", description="Whether an unreadable image ends the run or costs its pairs only."
    )
    on_no_face: Literal["keep", "skip", "stop"] | None = Field(
        None,
        description="What happens to images in which a model that aligns finds no face: 'keep' "
        "their central cut, 'skip' their pairs, or 'stop' their task. Default: kept, but a task "
        "stops if they are unevenly spread over its conditions.",
    )
    cache: Path | Literal[False] | None = Field(
        None,
        description="Folder of the embedding store; false keeps none. Default: FACEBENCH_CACHE, "
        "or the user's cache folder.",
    )
    packs: Path | None = Field(
        None,
        description="A folder of packs, which machines share: read beside the embedding store, and "
        "written by `facebench embed`.",
    )
    precision: Annotated[
        Literal["float32", "tf32", "float16", "bfloat16"], BeforeValidator(_as_precision)
    ] = Field(
        "float32",
        description="'float16' (fp16) or 'bfloat16' (bf16) runs networks under autocast, 'tf32' in "
        "TensorFloat-32 on a CUDA device.",
    )
    decoder: Literal["pillow", "torchvision", "nvjpeg"] = Field(
        "pillow",
        description="What decodes JPEGs that are upright and in sRGB; Pillow decodes all other "
        "images.",
    )
    memory_format: Literal["auto", "contiguous", "channels_last"] = Field(
        "auto", description="Layout of networks in memory. Default: the faster one."
    )
    accelerate: Annotated[
        Literal["onnxruntime", "openvino", "winograd", "compile", "none"],
        BeforeValidator(_as_engine),
    ] = Field(
        "none",
        description="What runs networks: another engine than torch is compared with it on the "
        "first batch. A model's own `accelerate` comes first.",
    )
    max_memory: Annotated[int | None, BeforeValidator(_as_bytes)] = Field(
        None, ge=2**20, description="Memory for embeddings, such as '4 GB'. Default: what is free."
    )
    export_embeddings: Literal["npz", "parquet"] | None = Field(
        None,
        description="Write the embeddings of every network into the run's folder, in files that "
        "`model: embeddings` reads.",
    )
    export_pairs: Literal["auto", "csv", "parquet"] = Field(
        "auto",
        description="What the distances of every pair are written as, a file per model, layer and "
        "task: 'csv', 'parquet', or 'auto', which is parquet for tables of more than 100,000 rows.",
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Random seed.")
    output: Path = Field(Path("runs"), description="Folder for the results of runs.")
    report: bool = Field(True, description="Whether a run ends with a report.html.")
    layer_choice: Literal["same pairs", "held-out"] = Field(
        "same pairs",
        description="Whether headline numbers are of layers that are chosen on other people than "
        "they are judged on ('held-out').",
    )
    plots: bool = Field(True, description="Whether tasks draw figures; the report has its own.")
    figures: Annotated[list[Literal["png", "pdf", "svg"]], BeforeValidator(_as_list)] = Field(
        ["png"],
        min_length=1,
        description="What figures are written as: 'png', 'pdf', 'svg', or a list of them.",
    )
    plugins: list[str] = Field(
        default_factory=list,
        description="Python files or modules to import first, such as ones that register names.",
    )

    @property
    def cache_dir(self) -> Path | Literal["default"] | None:
        """The folder of the embedding store, as `open_store` takes it."""
        if self.cache is None:
            return "default"
        return None if self.cache is False else self.cache


def _by_name(section: str, registry: Registry, common: list[str]) -> list[dict[str, Any]]:
    """Say for every registered name which arguments its class takes."""
    # It imports torch, which reading a file does not need.
    from facebench.experiment.reference import reference_of

    found: dict[str, tuple[list[str], dict[str, Any]]] = {}
    for name in registry.names():
        properties, takes_any = _arguments_schema(reference_of(name, registry.get(name), section))
        then: dict[str, Any] = {"properties": properties}
        if not takes_any:
            then["propertyNames"] = {"enum": sorted({*common, *properties})}
        # Families, such as that of published networks, share one entry.
        found.setdefault(json.dumps(then, sort_keys=True), ([], then))[0].append(name)
    key = NAMED[section]
    return [
        {"if": {"properties": {key: {"enum": names}}, "required": [key]}, "then": then}
        for names, then in found.values()
    ]


def _arguments_schema(reference: Reference) -> tuple[dict[str, Any], bool]:
    properties: dict[str, Any] = {}
    for argument in reference.arguments:
        known = argument.hint is not None and is_plain(argument.hint)
        described = TypeAdapter(argument.hint).json_schema() if known else {}
        kind = f" ({argument.type})" if argument.type else ""
        described["description"] = f"{argument.meaning}{kind}".strip()
        for spelling in {argument.key, argument.parameter}:
            properties[spelling] = described
    return properties, reference.takes_any


def json_schema() -> dict[str, Any]:
    """Describe the file format for editors.

    Returns
    -------
    dict
        A JSON schema (draft 2020-12) of everything a file may say, with its short forms.
    """
    schema = ExperimentSettings.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "A facebench experiment"
    # An included file may hold what this one lacks.
    schema.pop("required", None)
    properties = schema["properties"]
    text_or_list = [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
    properties["include"] = {
        "anyOf": text_or_list,
        "description": "Files to include first; settings in this file override theirs.",
    }
    properties["max_memory"]["anyOf"].insert(0, {"type": "string"})
    properties["distance"]["anyOf"].insert(0, {"enum": METRICS.names()})
    formats = properties["figures"]
    kept = {key: formats.pop(key) for key in ("items", "type", "minItems")}
    formats["anyOf"] = [kept["items"], kept]
    entries = {"models": ("ModelEntry", MODELS), "tasks": ("TaskEntry", TASKS)}
    for section, (definition, registry) in entries.items():
        entry = schema["$defs"][definition]
        entry["allOf"] = _by_name(section, registry, [*entry["properties"], "name"])
        kind = entry["properties"][NAMED[section]]
        described = kind.pop("description")
        entry["properties"][NAMED[section]] = {
            "anyOf": [{"enum": registry.names()}, kind],
            "description": described,
        }
        entry["properties"]["name"] = {"type": "string", "description": "In a list: its name."}
        either = [{"$ref": f"#/$defs/{definition}"}, {"type": "string"}]
        properties[section] = {
            "description": properties[section]["description"],
            "anyOf": [
                {"type": "object", "additionalProperties": {"anyOf": either}, "minProperties": 1},
                {"type": "array", "items": {"anyOf": either}, "minItems": 1},
            ],
        }
    series = schema["$defs"]["ModelEntry"]["properties"]["series"]
    files = {"anyOf": text_or_list}
    numbers = {"type": "array", "items": {"type": "number"}}
    series["description"] = "Checkpoints of one network: a pattern such as ckpt_*.pth, or a list."
    series["anyOf"] += [
        *text_or_list,
        {
            "type": "object",
            "properties": {
                "files": files,
                "x": {**numbers, "description": "A number for each file, such as its epoch."},
                "label": {"type": "string"},
                "log": {"type": "boolean"},
            },
            "required": ["files"],
            "additionalProperties": False,
        },
    ]
    for name in ("layers", "seeds"):
        field = schema["$defs"]["ModelEntry"]["properties"][name]
        field["anyOf"].insert(0, {"type": "string" if name == "layers" else "integer"})
    return schema
