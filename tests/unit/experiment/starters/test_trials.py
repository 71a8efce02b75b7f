"""What columns and codes of trials are taken for, and what is left open."""

import pandas as pd
import pytest

from facebench.data.identity import person_of
from facebench.errors import ConfigError
from facebench.experiment.starters.trials import draft_trials
from facebench.people import read_trials

PAIRS = [
    ("ann/1.jpg", "ann/2.jpg", 1),
    ("ann/1.jpg", "bob/1.jpg", 0),
    ("bob/1.jpg", "bob/2.jpg", 1),
]
IMAGES = ["ann/1.jpg", "ann/2.jpg", "bob/1.jpg", "bob/2.jpg"]


def trials(n=3, *, right=(1, 1, 0, 1, 1, 1, 1, 0, 1), same="f", different="j"):
    """Nine trials of three people; `right` says which answers are."""
    rows = []
    for who in range(n):
        for place, (one, other, label) in enumerate(PAIRS):
            is_right = right[(who * 3 + place) % len(right)]
            said = same if (label == 1) == bool(is_right) else different
            rows.append({"Subject": f"s{who}", "left": one, "right": other, "key": said,
                         "acc": is_right, "label": label, "RT": 600 + place})  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def draft(tmp_path):
    def make(table, name="t.csv", **options):
        table.to_csv(tmp_path / name, index=False)
        target = tmp_path / "t.yaml"
        made = draft_trials(
            tmp_path / name, target, images=IMAGES, person=person_of, conditions={}, **options
        )
        target.write_text(made.text)
        return made, target

    return make


class TestCodes:
    def test_are_inferred_from_what_was_correct(self, draft):
        made, target = draft(trials().drop(columns="label"))
        assert (made.open, made.kind) == ([], "same-different")
        read = read_trials(target)
        assert read.table["response"].tolist() == [1, 0, 0, 1, 0, 1, 1, 1, 1]
        assert read.participants == ["s0", "s1", "s2"]
        assert any("same is f, different j" in text for text in made.taken)

    def test_are_left_open_where_trials_contradict_themselves(self, draft):
        table = trials().drop(columns="label")
        table.loc[0, "acc"] = 0
        made, target = draft(table)
        assert "'f' (" in made.open[0]
        with pytest.raises(ConfigError, match=r"still says FILL-IN at response\.same, response\.d"):
            read_trials(target)

    def test_are_left_open_where_nothing_says_them(self, draft):
        made, _ = draft(trials().drop(columns=["label", "acc"]))
        assert len(made.open) == 1
        assert "which code means same" in made.open[0]
        assert "78% of responses would be right" in made.open[0]

    @pytest.mark.parametrize(("same", "open_"), [(1, False), (0, True)])
    def test_one_is_same_unless_most_would_be_wrong(self, draft, same, open_):
        table = trials(same=same, different=1 - same).drop(columns=["label", "acc"])
        made, _ = draft(table)
        assert bool(made.open) == open_
        if not open_:
            assert "1 was taken for same and 0 for different" in made.taken[1]

    def test_numbers_from_one_to_seven_are_ratings(self, draft):
        table = trials().drop(columns=["label", "acc"]).assign(key=[1, 5, 7, 2, 4, 6, 3, 3, 1])
        made, target = draft(table)
        assert (made.kind, made.open) == ("rating", [])
        assert read_trials(target).table["response"].sum() == 32

    def test_one_and_two_are_not_guessed(self, draft):
        made, _ = draft(trials(same=1, different=2).drop(columns=["label", "acc"]))
        assert len(made.open) == 1

    def test_three_numbers_may_be_two_keys_and_a_time_out(self, draft):
        table = trials(same=1, different=2).drop(columns=["label", "acc"])
        table.loc[0, "key"] = 0
        made, target = draft(table)
        assert (made.kind, len(made.open)) == ("", 2)
        with pytest.raises(ConfigError, match="FILL-IN at kind"):
            read_trials(target)


class TestColumns:
    def test_a_column_per_rater_is_a_table_of_ratings(self, draft):
        table = pd.DataFrame({"img1": IMAGES[:2], "img2": IMAGES[2:], "rater_1": [1, 3]})
        made, target = draft(table.assign(rater_2=[2, 7]))
        assert (made.kind, made.open) == ("rating", [])
        read = read_trials(target)
        assert read.table[["participant", "response"]].to_numpy().tolist() == [
            ["rater_1", 1], ["rater_2", 2], ["rater_1", 3], ["rater_2", 7]
        ]  # fmt: skip

    def test_of_two_that_may_be_meant_none_is(self, draft):
        made, target = draft(trials().assign(answer="x"))
        assert "which of key, answer?" in made.open[0]
        assert "response: FILL-IN" in target.read_text()

    def test_participants_are_files_of_a_folder(self, tmp_path):
        for who, part in trials().groupby("Subject"):
            (tmp_path / "data").mkdir(exist_ok=True)
            part.drop(columns="Subject").to_csv(tmp_path / "data" / f"{who}.csv", index=False)
        made = draft_trials(
            tmp_path / "data", tmp_path / "t.yaml", images=IMAGES, person=person_of, conditions={}
        )
        (tmp_path / "t.yaml").write_text(made.text)
        assert read_trials(tmp_path / "t.yaml").participants == ["s0", "s1", "s2"]

    def test_images_are_told_by_being_there(self, draft):
        table = trials().rename(columns={"left": "a", "right": "b"})
        table[["a", "b"]] = "stim/" + table[["a", "b"]]
        made, _ = draft(table)
        assert made.shown["img2"][1] == "stim/bob/1.jpg"
        made, target = draft(table.replace(r"\.jpg", ".gif", regex=True))
        sides = [f"columns.{side}: which column is it?" for side in ("img1", "img2")]
        assert made.open[:2] == sides
        with pytest.raises(ConfigError, match=r"columns\.img1, columns\.img2"):
            read_trials(target)

    def test_a_column_that_may_be_a_condition_is_told(self, draft):
        made, _ = draft(trials().assign(orientation=["up", "down", "up"] * 3))
        assert "'orientation' (up, down)" in made.doubts[0]


LINE_UPS = pd.DataFrame(
    [
        ("s0", "ann/1.jpg", "ann/2.jpg", "bob/1.jpg", "ann/2.jpg"),
        ("s0", "bob/1.jpg", "ann/1.jpg", "bob/2.jpg", "ann/1.jpg"),
        ("s1", "ann/1.jpg", "bob/1.jpg", "ann/2.jpg", "bob/1.jpg"),
    ],
    columns=["pid", "probe", "left", "right", "response"],
)


class TestItems:
    """Trials that do not show pairs."""

    @pytest.mark.parametrize("coded", ["names", "numbers", "keys"])
    def test_the_chosen_alternative_is_told(self, draft, coded):
        table = LINE_UPS.copy()
        first = table["response"] == table["left"]
        if coded == "numbers":
            table["response"] = first.map({True: "1", False: "2"})
        if coded == "keys":
            who = [table[name].str[:3] for name in ("probe", "response")]
            table["correct"] = (who[0] == who[1]).astype(int)
            table["response"] = first.map({True: "f", False: "j"})
            # Another trial: each key was right once.
            table.loc[3] = ["s1", "bob/1.jpg", "ann/1.jpg", "bob/2.jpg", "j", 1]
        made, target = draft(table)
        assert (made.kind, made.open) == ("choice", [])
        read = read_trials(target)
        assert read.table["response"].tolist()[:3] == LINE_UPS["response"].tolist()
        assert read.table["target"][0] == "ann/1.jpg"

    def test_three_images_without_a_target_are_a_triplet(self, draft):
        table = LINE_UPS.assign(probe="ann/1.jpg", left="bob/2.jpg", right="bob/1.jpg")
        table = table.assign(response=[1, 2, 3]).rename(columns={"probe": "a"})
        made, target = draft(table)
        assert made.open == []
        shown = table[["a", "left", "right"]].to_numpy()
        assert read_trials(target).table["response"].tolist() == [shown[k, k] for k in range(3)]

    def test_codes_that_nothing_tells_are_left_open(self, draft):
        made, target = draft(LINE_UPS.assign(response=["f", "j", "f"]))
        assert "which code means which alternative?" in made.open[0]
        with pytest.raises(ConfigError, match=r"response\.alt1"):
            read_trials(target)

    def test_orders_and_memory(self, draft):
        made, target = draft(LINE_UPS.assign(response=LINE_UPS["left"] + "|" + LINE_UPS["right"]))
        assert (made.kind, read_trials(target).kind) == ("order", "order")
        table = pd.DataFrame(
            {"pid": ["a", "a", "b"], "face": IMAGES[:3], "resp": ["old", "new", "new"]}
        )
        made, target = draft(table)
        assert read_trials(target).table["response"].tolist() == [1, 0, 0]
        made, _ = draft(table.assign(resp=["f", "j", "j"]))
        assert "which code means old" in made.open[0]
        # One image of a pair may be unknown.
        made, _ = draft(table.assign(other="nobody/1.jpg"))
        assert made.kind != "old-new"
