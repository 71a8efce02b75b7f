"""An experiment and its tables for a folder of faces; stimuli are made in test_first_hour."""

import pandas as pd
import pytest
import yaml
from PIL import Image

from facebench.errors import FacebenchError, InputError
from facebench.experiment.config import load_config
from facebench.experiment.starters.folder import StarterRequest, write_starter


@pytest.fixture
def faces(tmp_path):
    """Return six people with two photographs each, in folders and flat."""
    for who in ("ann", "bob", "cy", "di", "ed", "fay"):
        for k in (1, 2):
            for path in (f"faces/{who}/{k}.png", f"flat/{who}_{k}.png"):
                (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (4, 4)).save(tmp_path / path)
    return tmp_path / "faces"


@pytest.fixture
def begin(tmp_path, faces):
    def call(folder="faces", *, replace=False, **asked):
        request = StarterRequest(**asked)
        done = write_starter(tmp_path / folder, tmp_path / "x.yaml", request, replace=replace)
        return done, load_config(done.experiment).source.plain()

    return call


class TestPairs:
    def test_two_models_one_of_them_untrained(self, begin):
        done, said = begin()
        assert (done.n_genuine, done.n_impostor, done.n_people) == (6, 6, 6)
        assert said["models"]["untrained"] == {"model": "dlib-resnet", "pretrained": False}
        assert [path.name for path in done.files] == ["x.yaml", "x_pairs.csv"]

    def test_of_a_flat_folder_with_a_rule(self, begin):
        done, said = begin("flat", identity="name")
        pairs = pd.read_csv(done.pairs)
        assert ((pairs["identity1"] == pairs["identity2"]) == (pairs["same"] == 1)).all()
        assert set(pairs["identity1"]) <= {"ann", "bob", "cy", "di", "ed", "fay"}
        assert said["tasks"]["same-person"]["identity"] == ["identity1", "identity2"]

    def test_of_a_flat_folder_without_a_rule_are_not_guessed(self, begin, tmp_path):
        with pytest.raises(InputError, match="add --identity name"):
            begin("flat")
        # What needs no people is asked.
        table = pd.DataFrame({"img1": ["ann_1.png"] * 3,
                              "img2": ["ann_2.png", "bob_1.png", "bob_2.png"],
                              "distance": [0.1, 0.8, 0.9]})  # fmt: skip
        table.to_csv(tmp_path / "r.csv", index=False)
        done, said = begin("flat", ratings=tmp_path / "r.csv")
        assert [*said["tasks"]] == ["similarity"]
        assert any("No verification" in text for text in done.taken)
        assert done.pairs is None


class TestGroups:
    def write(self, tmp_path, text):
        (tmp_path / "g.csv").write_text(text)
        return tmp_path / "g.csv"

    TABLE = "person,group\nann,a\nbob,a\ncy,b\ndi,b\ned,c\nfay,c\n"

    def test_other_race(self, begin, tmp_path):
        groups = self.write(tmp_path, self.TABLE)
        _, said = begin(effects=["other-race"], groups=groups, own="b")
        entry = said["tasks"]["other-race"]
        assert (entry["task"], entry["contrast"]) == ("other-race-effect", ["b", ["a", "c"]])
        pairs = pd.read_csv(tmp_path / "x_groups.csv")
        group = dict(line.split(",") for line in self.TABLE.splitlines())
        for side in ("identity1", "identity2"):
            assert (pairs[side].map(group) == pairs["condition"]).all()
        assert set(pairs["same"]) == {0, 1}

    def test_a_small_group_is_left_out(self, begin, tmp_path):
        groups = self.write(tmp_path, self.TABLE.replace("ed,c\n", ""))
        done, said = begin(effects=["other-race"], groups=groups, own="b")
        assert said["tasks"]["other-race"]["contrast"] == ["b", "a"]
        assert any("left out: c" in text for text in done.taken)

    def test_groups_called_as_the_effect_has_them(self, begin, tmp_path):
        text = self.TABLE.replace(",a", ",own").replace(",b", ",other").replace(",c", ",other")
        _, said = begin(effects=["other-race"], groups=self.write(tmp_path, text))
        assert said["tasks"]["other-race"]["contrast"] == ["own", "other"]

    @pytest.mark.parametrize(
        ("text", "own", "message"),
        [
            (TABLE, None, "Say which is the own one"),
            (TABLE, "d", "There is no group 'd'"),
            (TABLE.replace("bob,a\n", ""), "a", "'a' .* has 1 people with 2 images"),
            ("person,group\nann,a\nbob,a\ncy,b\n", "a", "only 'a' has pairs"),
            ("x,y\nzoe,a\nyve,b\n", "a", "None of the 6 people"),
            (TABLE + "ann,b\n", "a", "two groups for 'ann'"),
            ("person,p,q\nann,1,2\n", "a", "Two were expected: person and group"),
        ],
    )
    def test_what_is_wrong_is_told(self, begin, tmp_path, text, own, message):
        with pytest.raises(InputError, match=message):
            begin(effects=["other-race"], groups=self.write(tmp_path, text), own=own)
        assert not (tmp_path / "x.yaml").exists()

    def test_options_that_would_not_count_are_refused(self, begin, tmp_path):
        groups = self.write(tmp_path, self.TABLE)
        with pytest.raises(InputError, match="for --effects other-race"):
            begin(groups=groups)
        with pytest.raises(InputError, match="name them by --groups"):
            begin(effects=["familiarity"])
        with pytest.raises(InputError, match="Add --ratings"):
            begin(rating="distance")


class TestNothingIsOverwritten:
    def test_experiments_and_tables(self, begin, tmp_path):
        begin()
        before = (tmp_path / "x.yaml").read_bytes()
        with pytest.raises(InputError, match="already exists"):
            begin()
        begin(replace=True)
        assert (tmp_path / "x.yaml").read_bytes() == before

    def test_what_is_read(self, begin, tmp_path):
        ratings = tmp_path / "x_pairs.csv"
        ratings.write_text("img1,img2,rating\nann/1.png,bob/1.png,1\n")
        with pytest.raises(InputError, match="given to be read"):
            begin(ratings=ratings, replace=True)
        assert ratings.read_text().startswith("img1,img2,rating")

    def test_a_description_of_trials(self, begin, tmp_path):
        rows = [f"p{n},ann/1.png,{other},{said}" for n in range(3)
                for other, said in (("ann/2.png", "same"), ("bob/1.png", "different"))]  # fmt: skip
        (tmp_path / "t.csv").write_text("\n".join(["subject,left,right,resp", *rows]) + "\n")
        (tmp_path / "t.yaml").write_text("mine: 1\n")
        with pytest.raises(InputError, match="give --people"):
            begin(people=tmp_path / "t.csv", replace=True)
        assert (tmp_path / "t.yaml").read_text() == "mine: 1\n"
        (tmp_path / "t.yaml").unlink()
        done, said = begin(people=tmp_path / "t.csv")
        assert said["tasks"]["people-same-person"]["people"].endswith("t.yaml")
        assert not done.to_fill_in
        assert yaml.safe_load((tmp_path / "t.yaml").read_text())["columns"]["response"] == "resp"

    def test_nothing_is_left_behind_by_an_error(self, begin, tmp_path):
        with pytest.raises(FacebenchError):
            begin(ratings=tmp_path / "none.csv")
        assert not list(tmp_path.glob("x*"))
