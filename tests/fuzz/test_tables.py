"""Mutated tables: measured as they read, or refused in one sentence that names the table."""

import csv
import io
import random
import re
import unicodedata
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import cosine_distances

from facebench import (
    AccuracyTask,
    ConditionedAverageDistances,
    CorrelationTask,
    GroupErrorTask,
    IdentificationTask,
    MultiModelTaskManager,
    OddOneOutTask,
    RelativeDifferenceTask,
    SimilarityTask,
    TemplateVerificationTask,
)
from facebench.testing.world import write_world
from support.mutation import damaged, fuzzed, told_or_done
from support.small_net import SmallNet, small_transform

GAPS = ["", "NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null"]
CELLS = (
    *GAPS, " ", "N.A.", "0", "1", "2", "-1", "+1", "1.0", "01", "1.50", "0,5", "1,234", "1.234,5",
    "1e400", "1e-400", "1E3", "0x10", "1_000", "50%", "inf", "-inf", "1e5", "True", "FALSE", "same",
    "Different", "yes", "١٢", "½", "²", '"', "'", 'a"b', '"a', "a\nb", "a\r\nb", "a;b", "a,b",
    "a\tb", "\0", "\x1a", "\ufeff", "\u202e", "\u00a0", "é", "e\u0301", "=1+1", "#", "img1", "..",
    "../../etc/passwd", "/etc/passwd", "C:\\x.png", "person0\\0.png", "person0/0.PNG",
    "person0/./0.png", "person0", "person1/0.png", "x" * 5000, "x" * 200_000, "9" * 25, "9" * 5000,
    "2024-01-31", "12:30", "<b>", "{}", "[]", "null",
)  # fmt: skip
HEADERS = (
    "img1", "img2", "img3", "same", "distance", "condition", "group", "image", "identity", "odd",
    "template", "media", "", " ", "layer_name", "model_computed_distance", "IMG1", "ïmg1", "0",
    "row", "Model Name", "Task Name", "x" * 3000, "\0", "a\nb", "Unnamed: 0",
)  # fmt: skip
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252", "utf-7", "shift-jis")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    write_world(folder)
    (folder / "lfw").mkdir()
    lines = ["2\t3"]
    for name in sorted((folder / "images").glob("*/*.png")):
        person, number = name.parent.name, int(name.stem) + 1
        target = folder / "lfw" / person / f"{person}_{number:04d}.png"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(name.read_bytes())
    for fold in (0, 3):
        lines += [f"person{fold + i}\t1\t{2 + i % 2}" for i in range(3)]
        lines += [f"person{fold + i}\t1\tperson{fold + (i + 1) % 3}\t2" for i in range(3)]
    (folder / "lfw.txt").write_text("\n".join(lines) + "\n")
    pairs = pd.read_csv(folder / "pairs.csv")
    people = pairs["group1"].to_frame("group")
    people.insert(0, "person", pairs["img1"].str.partition("/")[0])
    people.drop_duplicates("person").to_csv(folder / "groups.csv", index=False)
    pairs[["img1", "img2", "same"]].to_csv(folder / "ungrouped.csv", index=False)
    rng = np.random.default_rng(8)
    for rater in range(3):
        pairs[f"rater {rater}"] = rng.integers(1, 8, len(pairs))
    pairs.to_csv(folder / "rated.csv", index=False)
    return folder


KINDS = {
    "accuracy": "pairs", "correlation": "pairs", "conditions": "pairs", "difference": "pairs",
    "similarity": "rated", "lfw": "lfw", "groups": "groups", "gallery": "gallery",
    "probes": "probes", "templates": "templates", "template pairs": "template_pairs",
    "odd": "triplets_file_path",
}  # fmt: skip


def task_of(kind, table, world):
    images = world / "images"
    if kind == "accuracy":
        return AccuracyTask("t", table, images, true_label="same")
    if kind == "correlation":
        return CorrelationTask("t", table, images, correlation_metric=np.corrcoef)
    if kind == "conditions":
        return ConditionedAverageDistances("t", table, images, condition_column="condition")
    if kind == "difference":
        return RelativeDifferenceTask("t", table, images, group_column="group")
    if kind == "similarity":
        raters = [f"rater {rater}" for rater in range(3)]
        return SimilarityTask(
            "t", table, images, ratings=raters, rating="similarity", n_permutations=9
        )
    if kind == "lfw":
        return AccuracyTask("t", table, world / "lfw", true_label="same")
    if kind == "groups":
        pairs = world / "ungrouped.csv"
        return GroupErrorTask("t", pairs, images, groups=table, true_label="same", fmr=0.25)
    if kind in ("gallery", "probes"):
        tables = {"gallery": world / "gallery.csv", "probes": world / "probes.csv", kind: table}
        return IdentificationTask("t", tables["gallery"], tables["probes"], images)
    if kind == "odd":
        return OddOneOutTask("t", table, images)
    pairs = table if kind == "template pairs" else world / "template_pairs.csv"
    templates = table if kind == "templates" else world / "templates.csv"
    return TemplateVerificationTask("t", templates, pairs, images)


def numbers_of(kind, table, world):
    """Run the task of a table; its row of results, with texts for what are no numbers."""
    task = task_of(kind, table, world)
    model = SmallNet("m", preprocess_function=small_transform, device="cpu")
    manager = MultiModelTaskManager(model, [task], cache_dir=world / "store", num_workers=0)
    manager.run_all_tasks_all_models(table.parent / "out", plots=False)
    return manager.unrounded_performance_dfs["t"]


@cache
def undamaged(kind, world):
    table = next(world.glob(f"{KINDS[kind]}.*"))
    return numbers_of(kind, table, world)


@cache
def embeddings(world):
    """Embed every image without the engine."""
    from PIL import Image

    net = SmallNet("m", device="cpu")
    return {
        str(path.relative_to(folder)): net.get_output(small_transform(Image.open(path)))["default"]
        .numpy()
        .astype(np.float64)[0]
        for folder in (world / "images", world / "lfw")
        for path in folder.glob("*/*.png")
    }


# ------------------------------------------------------------------------------------ mutations


def written(rows, separator=",", quoting=csv.QUOTE_MINIMAL, end="\n"):
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=separator, quoting=quoting, lineterminator=end).writerows(rows)
    return stream.getvalue()


def written_otherwise(rows, rng):
    """Write the same cells in another way that a spreadsheet or a script has."""
    separator = rng.choice([",", "\t", ";"])
    quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    end = rng.choice(["\n", "\r\n", "\r"])
    text = written(rows, separator, quoting, end)
    lines = text.split(end)
    change = rng.randrange(7)
    if change == 0:
        lines.insert(0, f"sep={separator}")
    elif change == 1:
        lines = [line + separator * 3 for line in lines[:-1]]
    elif change == 2:
        lines.insert(rng.randrange(1, len(lines)), rng.choice(["", "   "]))
    elif change == 3:
        lines += [separator * (len(rows[0]) - 1)] * 3
    elif change == 4:
        lines = [f"{separator} ".join(line.split(separator)) for line in lines]
    elif change == 5:
        lines = ["", *lines]
    return end.join(lines).encode(rng.choice(["utf-8", "utf-8-sig"]))


def other_cells(rows, rng):
    rows = [list(row) for row in rows]
    for _ in range(rng.choice([1, 1, 1, 3])):
        change = rng.randrange(12)
        row = rng.randrange(len(rows))
        column = rng.randrange(len(rows[0]))
        if change <= 4:
            rows[row][min(column, len(rows[row]) - 1)] = rng.choice(CELLS if row else HEADERS)
        elif change == 5:
            cell = rng.choice(CELLS)
            for line in rows[1:]:
                line[min(column, len(line) - 1)] = cell
        elif change == 6:
            rows[0][column % len(rows[0])] = rng.choice(HEADERS)
        elif change == 7:
            rows.insert(row, list(rng.choice(rows)))
        elif change == 8 and len(rows) > 2:
            del rows[row]
        elif change == 9:
            other = rng.randrange(len(rows[0]))
            for line in rows[rng.randrange(2) :]:
                if max(column, other) < len(line):
                    line[column], line[other] = line[other], line[column]
        elif change == 10:
            rows[row] = rows[row][: rng.randrange(1, len(rows[row]) + 1)]
        else:
            for line in rows[rng.randrange(2) :]:
                line.insert(column, rng.choice(["", "x", "1"]))
    return rows


def other_numbers(rows, rng):
    """Write the numbers of a column in another format."""
    rows = [list(row) for row in rows]
    column = rng.randrange(len(rows[0]))
    change = rng.choice(
        [
            lambda x: x.replace(".", ","),
            lambda x: f"{float(x):.3f}",
            lambda x: f"{float(x):e}",
            lambda x: f"{float(x) * 1000:,.1f}",
            lambda x: f"+{x}",
            lambda x: f"{x}%",
            lambda x: f"0{x}",
            lambda x: f"'{x}",
            lambda x: f" {x}\u00a0",
            lambda x: x.translate({ord("0") + i: ord("٠") + i for i in range(10)}),
            lambda x: {"0": "different", "1": "Same"}.get(x, x),
            lambda x: {"0": "False", "1": "TRUE"}.get(x, x),
        ]
    )
    for row in rows[1:]:
        try:
            row[column] = change(row[column])
        except ValueError:
            break
    return written(rows, rng.choice([",", ";", "\t"])).encode()


def spreadsheet(rows):
    """Write the least that Excel takes for a workbook."""
    cell = '<c t="inlineStr"><is><t>{}</t></is></c>'
    sheet = "".join(f"<row>{''.join(map(cell.format, row))}</row>" for row in rows)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/worksheets/sheet1.xml", f"<worksheet>{sheet}</worksheet>")
    return stream.getvalue()


def parquet(rows):
    stream = io.BytesIO()
    pd.DataFrame(rows[1:], columns=rows[0]).to_parquet(stream)
    return stream.getvalue()


def mutant(kind, content, rng):
    """Give mutated bytes, and whether they mean the same as before."""
    text = content.decode()
    change = rng.randrange(10)
    if kind == "lfw":
        lines = [line.split("\t") for line in text.splitlines()]
        if change <= 2:
            end = rng.choice(["\n", "\r\n"])
            return end.join(rng.choice(["\t", " "]).join(line) for line in lines).encode(), True
        if change <= 6:
            return "\n".join("\t".join(row) for row in other_cells(lines, rng)).encode(), False
        return damaged(content, rng), False
    rows = list(csv.reader(io.StringIO(text)))
    if change <= 1:
        return written_otherwise(rows, rng), True
    if change <= 5:
        return written(other_cells(rows, rng), rng.choice([",", ",", ";", "\t", "|"])).encode(
            "utf-8", "surrogatepass"
        ), False
    if change == 6:
        return other_numbers(rows, rng), False
    if change == 7:
        kept = rng.randrange(4)
        if kept == 0:
            return spreadsheet(rows), False
        if kept == 1:
            return parquet(rows), False
        return text.replace("person", "përson").encode(rng.choice(ENCODINGS), "replace"), False
    return damaged(content, rng, content), False


# --------------------------------------------------------------------------- independent reading


def as_pandas_reads(path):
    """Read with pandas' C parser; None where that is in doubt."""
    try:
        content = path.read_bytes().decode("utf-8-sig")
        declared = re.match(r'\s*"?sep=([,;\t])"?[,;\t]*(\r\n|\n|\r)', content)
        if declared:
            content = content[declared.end() :]
        header = next(line for line in content.splitlines() if line.strip())
        separator = declared[1] if declared else max(",\t;", key=header.count)
        table = pd.read_csv(
            io.StringIO(content),
            sep=separator,
            dtype=str,
            keep_default_na=False,
            skipinitialspace=True,
            index_col=False,
        )
    except (ValueError, StopIteration, pd.errors.ParserError, pd.errors.EmptyDataError):
        return None
    if "\0" in content or table.columns.str.contains(r"\.\d+$").any():
        return None
    table = table.fillna("").map(str.strip)
    table.columns = table.columns.str.strip()
    return table[(table != "").any(axis=1)].reset_index(drop=True), separator


def as_number(text, separator):
    if separator != "," and "." not in text:
        text = text.replace(",", ".")
    return float(text)


def expected_numbers(kind, table, separator, vectors):
    """Compute some of a task's numbers with a loop or scikit-learn; {} where there are none."""

    def same(text):
        return int(text.lower() in ("true", "same") or (text[0].isdigit() and float(text) == 1))

    def vector(name):
        for spelt in (name, name.replace("\\", "/")):
            for form in (spelt, unicodedata.normalize("NFC", spelt), str(Path(spelt))):
                if form in vectors:
                    return vectors[form]
        raise KeyError(name)

    def distance(first, second):
        return cosine_distances(vector(first)[None], vector(second)[None])[0, 0]

    if kind in ("accuracy", "correlation", "conditions", "difference"):
        found = np.array(
            [distance(*pair) for pair in zip(table["img1"], table["img2"], strict=True)]
        )
    if kind == "accuracy":
        return {"AUC": roc_auc_score([same(text) for text in table["same"]], -found)}
    if kind == "correlation":
        numbers = [as_number(text, separator) for text in table["distance"]]
        return {"Correlation Score": np.corrcoef(numbers, found)[0, 1]}
    if kind == "conditions":
        return {
            f"Mean Value {name}": found[table["condition"] == name].mean() / found.max()
            for name in table["condition"].unique()
        }
    if kind == "difference":
        means = [found[table["group"] == name].mean() for name in table["group"].unique()]
        return {"Relative Difference": (means[0] - means[1]) / (means[0] + means[1])}
    if kind == "odd":
        agree = []
        for a, b, c, odd in table[["img1", "img2", "img3", "odd"]].itertuples(index=False):
            others = [distance(b, c), distance(a, c), distance(a, b)]
            images = [a, b, c]
            number = images.index(odd) if odd in images else int(float(odd)) - 1
            agree.append(number == int(np.argmin(others)))
        return {"Agreement": np.mean(agree)}
    return {}


def named_numbers(found):
    """Give every number of a table of results by its column and condition."""
    return {
        f"{column} {row['Condition']}" if "Condition" in found else column: row[column]
        for row in found.to_dict("records")
        for column in found.columns
    }


@fuzzed(in_ci=40)
def test_tables(seed, world, tmp_path):
    rng = random.Random(f"tables {seed}")
    kind = rng.choice(list(KINDS))
    original = next(world.glob(f"{KINDS[kind]}.*"))
    path = tmp_path / f"mutated{rng.choice(['.csv', '.csv', '.txt', '.tsv', '.xlsx', ''])}"
    content, harmless = mutant(kind, original.read_bytes(), rng)
    path.write_bytes(content)
    found = told_or_done(lambda: numbers_of(kind, path, world))
    before = undamaged(kind, world)
    if harmless:
        assert found is not None, "a table of another layout was refused"
        pd.testing.assert_frame_equal(found, before)
    if found is None or kind == "lfw":
        return
    read = as_pandas_reads(path)
    if read is None:
        return
    numbers = named_numbers(found)
    for name, value in expected_numbers(kind, *read, embeddings(world)).items():
        assert numbers[name] == pytest.approx(value, abs=1e-5, nan_ok=True), name
