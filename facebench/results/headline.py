"""The numbers that stand for each task: best layer of each model, and how sure we are."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

from facebench.columns import DEFAULT_LAYER, comparable_name
from facebench.errors import InputError
from facebench.tasks.measures import headlines

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from facebench.results.task_facts import TaskFacts

__all__ = [
    "LAYER_CHOICES",
    "TaskRows",
    "best_layers",
    "check_layer_choice",
    "direction",
    "headline_rows",
    "layer_note",
    "number",
    "people_beside",
    "shown_table",
]

# On which pairs the layer of a model is chosen that stands for it.
LAYER_CHOICES = ("same pairs", "held-out")


def number(value: float | None, beside: float | None = None) -> str:
    """Write a value with four significant decimals and a real minus.

    Parameters
    ----------
    value : float or None
        The value.
    beside : float, optional
        The other end of an interval: the larger one decides how many decimals both have.

    Examples
    --------
    >>> number(0.98765), number(-12.3), number(123456.7), number(None)
    ('0.9877', '−12.30', '123457', '–')
    >>> number(0.0002), number(0.0002, 0.0955)
    ('2.00e−04', '0.0002')
    """
    import pandas as pd

    if value is None or pd.isna(value):
        return "–"
    size = max(abs(value), 0 if beside is None or pd.isna(beside) else abs(beside))
    if math.isinf(value):
        text = "∞" if value > 0 else "-∞"
    elif value != 0 and size < 1e-3:
        text = f"{value:.2e}"
    else:
        text = f"{value:.4f}" if size < 10 else f"{value:.2f}" if size < 1e4 else f"{value:.0f}"
    return text.replace("-", "−")


class TaskRows:
    """The rows of one task, sorted out once for all that show or compare them.

    Parameters
    ----------
    results : DataFrame
        The tidy table.
    task : str
        Which.
    facts : TaskFacts
        What the task says of itself.

    Attributes
    ----------
    rows : DataFrame
        The rows of the task.
    metrics : list of str
        Its measures, as they come.
    headlines : list of str
        Those that stand for it.
    """

    def __init__(self, results: pd.DataFrame, task: str, facts: TaskFacts) -> None:
        of_task = results["task"] == task
        self.rows = results if of_task.all() else results[of_task]
        self.metrics: list[str] = self.rows["metric"].unique().tolist()
        self.headlines = headlines(facts, self.metrics)

    @cached_property
    def chooses(self) -> bool:
        """Whether the best layer is chosen by its value, or the last one taken."""
        return bool(direction(self.rows[self.rows["metric"] == self.headlines[0]]))

    @cached_property
    def best(self) -> dict[str, str]:
        """The layer that represents each model, see `best_layers`."""
        own = self.rows.loc[
            self.rows["metric"] == self.headlines[0],
            ["model", "layer", "layer_index", "value", "higher_is_better"],
        ]
        sign = direction(own)
        by_layer = own.groupby(["model", "layer", "layer_index"], sort=False)
        means = by_layer["value"].mean().reset_index()
        # Undefined is worse than any number.
        means["rank"] = (means["value"] * sign).fillna(-math.inf) if sign else means["layer_index"]
        chosen = means.sort_values("rank", ascending=False, kind="stable").drop_duplicates("model")
        if not sign:
            order = {model: place for place, model in enumerate(own["model"].unique())}
            chosen = chosen.sort_values("model", key=lambda names: names.map(order))
        return dict(zip(chosen["model"], chosen["layer"], strict=True))

    @cached_property
    def all_layers(self) -> pd.DataFrame:
        """The headline measures of every layer, in the order of `headline_rows`."""
        import pandas as pd

        models = {model: place for place, model in enumerate(self.best)}
        conditions = {name: place for place, name in enumerate(self.rows["condition"].unique())}
        kept = self.rows[self.rows["metric"].isin(self.headlines)]
        kept = kept[_is_measured(kept)]
        order = pd.DataFrame(
            {
                "metric": kept["metric"].map(self.headlines.index),
                "condition": kept["condition"].map(conditions),
                "model": kept["model"].map(models),
                "layer": kept["layer_index"],
            }
        )
        order = order.sort_values(list(order.columns), kind="stable")
        return kept.loc[order.index]

    @cached_property
    def headline(self) -> pd.DataFrame:
        """The headline measures of the best layer of each model."""
        every = self.all_layers
        return every[every["layer"].eq(every["model"].map(self.best))]


def best_layers(results: pd.DataFrame, task: str, facts: TaskFacts) -> dict[str, str]:
    """Choose the layer that represents each model in a task.

    Parameters
    ----------
    results : DataFrame
        The tidy table.
    task : str
        Which.
    facts : TaskFacts
        What the task says of itself: its measures choose the layer.

    Returns
    -------
    dict of str to str
        By model, best model first: its layer with the best value of the task's first headline
        measure (mean over conditions); the last layer where neither way is better.
    """
    return TaskRows(results, task, facts).best


def people_beside(
    people: pd.DataFrame, networks: pd.DataFrame, task: str, metric: str
) -> pd.DataFrame:
    """Give what people do by a measure of a task, where it means the same of them and networks.

    Parameters
    ----------
    people, networks : DataFrame
        Rows of the tidy table.
    task, metric : str
        Which.

    Returns
    -------
    DataFrame
        Rows of `people`: a reference, not a competitor.
    """
    of_task = networks["metric"][networks["task"] == task]
    comparable = comparable_name(metric) not in set(of_task)
    return people[(people["task"] == task) & (people["metric"] == metric) & comparable]


def direction(rows: pd.DataFrame) -> int:
    """Give 1 where higher values of these rows' measure are better, -1 where lower, else 0."""
    known = rows["higher_is_better"].dropna()
    return 0 if known.empty else 1 if bool(known.iloc[0]) else -1


def headline_rows(
    results: pd.DataFrame, tasks: Mapping[str, TaskFacts], *, all_layers: bool = False
) -> pd.DataFrame:
    """Select the headline measures, a row per task, measure, condition and model.

    Parameters
    ----------
    results : DataFrame
        The tidy table.
    tasks : mapping of str to TaskFacts
        What each task says of itself.
    all_layers : bool, default False
        Keep every layer, not the best of each model only.

    Returns
    -------
    DataFrame
        Rows of `results`: tasks in their order, then measures, conditions, and models, the best
        first.
    """
    import pandas as pd

    found = [TaskRows(results, task, tasks[task]) for task in results["task"].unique()]
    parts = [one.all_layers if all_layers else one.headline for one in found]
    return pd.concat(parts) if parts else results


def check_layer_choice(layer_choice: str, owner: str) -> None:
    """Refuse a choice of layers that there is not.

    Raises
    ------
    InputError
        If it is none of `LAYER_CHOICES`.
    """
    if layer_choice not in LAYER_CHOICES:
        msg = (
            f"The 'layer_choice' parameter of {owner} must be 'same pairs' or 'held-out'. "
            f"Got {layer_choice!r} instead."
        )
        raise InputError(msg)


def layer_note(results: pd.DataFrame, layer_choice: str = "same pairs") -> str:
    """Say which layers stand for the models of some results; empty where each has one.

    Parameters
    ----------
    results : DataFrame
        The tidy table.
    layer_choice : {'same pairs', 'held-out'}
        How they were chosen.

    Returns
    -------
    str
        A sentence without its full stop.
    """
    by_model = [key for key in ("run", "model") if key in results]
    n_layers = results.groupby(by_model)["layer"].nunique().max() if len(results) else 1
    if n_layers < 2:
        return ""
    best = (
        f"The best layer of each model (of up to {n_layers}, chosen on the same pairs, which "
        "intervals allow for), or the last one where neither direction is better"
    )
    if layer_choice == "same pairs":
        return best
    return (
        f"'held-out': each model in layers (of up to {n_layers}) chosen on other people than they "
        f"are judged on. Others: {best[0].lower()}{best[1:]}"
    )


def _is_measured(rows: pd.DataFrame) -> pd.Series:
    """Tell which rows are of a measure that their condition has in any layer, if another has it."""
    there = rows["value"].notna()
    if there.all():
        return there
    of_condition = there.groupby([rows["metric"], rows["condition"].fillna("")]).transform("any")
    return of_condition | ~there.groupby(rows["metric"]).transform("any")


def shown_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Write rows of the tidy table as people read them.

    Parameters
    ----------
    rows : DataFrame
        Rows of the tidy table.

    Returns
    -------
    DataFrame
        Texts: Task, Measure, Model, Value, 95 % interval, Pairs, Images, People; where models align
        faces also No face, the pairs with an image in which none was found.
    """
    import pandas as pd

    records = [
        {
            "Task": row.task,
            "Measure": row.metric if pd.isna(row.condition) else f"{row.metric}, {row.condition}",
            "Model": row.model if row.layer in (DEFAULT_LAYER, "") else f"{row.model}: {row.layer}",
            "Value": number(row.value),
            "95 % interval": "–"
            if pd.isna(row.ci_low)
            else f"{number(row.ci_low)} – {number(row.ci_high)}",
            "Pairs": _count(row.n_pairs),
            "Images": _count(row.n_images),
            "People": _count(row.n_identities),
            "No face": _count(row.n_no_face),
        }
        for row in rows.itertuples()
    ]
    columns = ["Task", "Measure", "Model", "Value", "95 % interval", "Pairs", "Images", "People"]
    if rows["n_no_face"].notna().any():
        columns.append("No face")
    return pd.DataFrame(records, columns=columns)


def _count(value: object) -> str:
    import pandas as pd

    return "–" if pd.isna(value) else str(value)
