"""Which tasks ask people, by the pairs that their trials show."""

import pandas as pd
import pytest
import yaml

from facebench.data.identity import person_of
from facebench.errors import InputError
from facebench.experiment.starters.effects import tasks_of
from facebench.experiment.starters.people import ShownPairs, ask_people
from facebench.people.simulation import simulated_trials
from support.made_set import made_set


@pytest.fixture(scope="module")
def effect(tmp_path_factory):
    """Return tasks and tables of inversion, and a function that lets them ask people."""
    folder = tmp_path_factory.mktemp("people")
    conditions = ["inverted", "thatcherised"]
    made = made_set(folder / "stimuli", conditions)
    tasks, _ = tasks_of(made, conditions, folder)
    tables = {task.name: pd.read_csv(task.table) for task in tasks}

    def ask(table, kind="same-different"):
        return ask_people(
            ShownPairs(table, kind), "t.yaml", tasks,
            faces=[f"p{who}/{k}.jpg" for who in range(8) for k in range(2)],
            stimuli=tables, person=person_of,
            images={"faces": "faces", "stimuli": "stimuli"}, own_table="own.csv",
        )  # fmt: skip

    return tables, ask


def asked(found):
    text = "\n".join(task.text() for task in found.tasks)
    return {name: entry for name, entry in yaml.safe_load(text).items() if "people" in entry}


class TestStimuli:
    def test_the_task_whose_pairs_were_seen_asks_people(self, effect):
        tables, ask = effect
        found = ask(simulated_trials(tables["inversion"], n_participants=2))
        assert [*asked(found)] == ["inversion"]
        assert found.table is None

    def test_ratings_are_taken_by_what_pairs_of_one_person_got(self, effect):
        tables, ask = effect
        trials = simulated_trials(tables["inversion"], "rating", n_participants=5)
        found = asked(ask(trials, "rating"))
        assert found["inversion"]["people_rating"] == "similarity"
        assert found["people-similarity"]["rating"] == "similarity"
        turned = trials.assign(response=9 - trials["response"])
        assert asked(ask(turned, "rating"))["inversion"]["people_rating"] == "distance"

    def test_photographs_with_a_condition_are_its_stimuli(self, effect):
        tables, ask = effect
        trials = simulated_trials(tables["inversion"], n_participants=2)
        for side in ("img1", "img2"):
            trials[side] = trials[side].str.extract(r"/(.*)\.png")
        found = ask(trials)
        assert [*asked(found)] == ["inversion"]
        assert found.pattern == "{}.png"

    def test_other_pairs_of_stimuli_become_a_table(self, effect):
        tables, ask = effect
        trials = simulated_trials(tables["inversion"], n_participants=2)
        # Impostors that the table does not pair.
        other = {f"p{who}/1.jpg.png": f"p{(who + 3) % 8}/1.jpg.png" for who in range(8)}
        for one, instead in other.items():
            rows = trials["img2"].str.endswith(one)
            trials.loc[rows, "img2"] = (
                trials.loc[rows, "img2"].str.partition("/")[0] + "/" + instead
            )
        found = ask(trials)
        assert [*asked(found)] == ["inversion-people"]
        assert found.table["same"].tolist() == (
            (found.table["identity1"] == found.table["identity2"]).astype(int).tolist()
        )
        assert set(found.table["condition"]) == {"upright", "inverted"}

    def test_images_of_neither_are_told(self, effect):
        tables, ask = effect
        trials = simulated_trials(tables["inversion"], n_participants=1)
        with pytest.raises(InputError, match="neither among the photographs nor among the stimuli"):
            ask(trials.assign(img1="upright/p99/0.jpg.png"))


class TestPhotographs:
    def test_pairs_of_photographs_become_a_table(self, effect):
        _, ask = effect
        trials = pd.DataFrame({"img1": ["p0/0.jpg", "p1/0.jpg"] * 2, "img2": ["p0/1.jpg"] * 4})
        found = ask(trials)
        assert asked(found)["people-same-person"]["images"] == "faces"
        assert found.table["same"].tolist() == [1, 0]

    def test_ratings_of_one_person_only_leave_a_doubt(self, effect):
        _, ask = effect
        trials = pd.DataFrame({"img1": ["p0/0.jpg"], "img2": ["p0/1.jpg"], "response": ["3"]})
        found = ask(trials, "rating")
        assert asked(found)["people-similarity"]["rating"] == "distance"
        assert "Nothing in the trials says" in found.doubts[0]

    def test_line_ups_become_matching(self, effect):
        _, ask = effect
        trials = pd.DataFrame(
            {"target": ["p0/0.jpg", "p1/0.jpg"] * 2, "alt1": "p0/1.jpg", "alt2": "p2/1.jpg"}
        )
        found = ask(trials, "choice")
        assert asked(found)["people-line-ups"]["trials"] == "people.csv"
        assert found.tables["people"]["answer"].tolist() == ["p0/1.jpg", "none"]
