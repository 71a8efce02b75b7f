"""Folders of faces as people have them, and what is said of each."""

import pytest
from PIL import Image

from facebench.errors import InputError
from facebench.experiment.starters.face_folder import look_at


@pytest.fixture
def folder(tmp_path):
    def make(*names):
        for name in names:
            path = tmp_path / "faces" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix in (".png", ".jpg"):
                Image.new("RGB", (2, 2)).save(path)
            else:
                path.touch()
        return tmp_path / "faces"

    return make


class TestFolders:
    def test_of_people(self, folder):
        found = look_at(folder("ann/1.png", "ann/2.jpg", "bob/1.png"))
        assert (found.people, found.n_genuine, found.n_impostor) == ({"ann": 2, "bob": 1}, 1, 2)
        assert (found.why_no_pairs, found.remarks) == ("", ())

    def test_with_other_files(self, folder):
        found = look_at(folder("ann/1.png", "ann/2.heic", "bob/notes.txt", "ann/._1.png", "x.png"))
        assert found.remarks[0] == "Passed over: 1 .heic, 1 .txt."
        assert "directly in" in found.remarks[1]

    @pytest.mark.parametrize(
        ("names", "why"),
        [
            (["ann/1.png", "ann/2.png"], "of one person, ann"),
            (["ann/1.png", "bob/1.png"], "Each of the 2 people .* has one image"),
        ],
    )
    def test_that_give_no_pairs(self, folder, names, why):
        import re

        assert re.search(why, look_at(folder(*names)).why_no_pairs)

    @pytest.mark.parametrize(
        ("names", "why"),
        [
            (["notes.txt"], r"holds no images.*1 \.txt"),
            (
                ["train/ann/1.png", "train/bob/1.png"],
                r"folders deep, such as train/ann.*Give .*train,",
            ),
        ],
    )
    def test_that_hold_none(self, folder, names, why):
        with pytest.raises(InputError, match=why):
            look_at(folder(*names))

    def test_that_are_not_there(self, folder):
        faces = folder("ann/1.png")
        with pytest.raises(InputError, match=r"does not exist.*Did you mean 'faces'\?"):
            look_at(faces.with_name("face"))
        with pytest.raises(InputError, match="is a file"):
            look_at(faces / "ann" / "1.png")


class TestFlat:
    NAMES = ("ann_1.png", "ann_2.png", "bob_1.png")

    def test_is_an_offer(self, folder):
        found = look_at(folder(*self.NAMES))
        assert not found.people
        assert "2 people, ann (2), bob (1): add --identity name" in found.why_no_pairs

    def test_no_offer_where_names_tell_nobody(self, folder):
        found = look_at(folder("CFD-WM-001-N.png", "CFD-WM-002-N.png"))
        assert "Nothing says who is in them" in found.why_no_pairs

    def test_by_name_or_by_a_pattern(self, folder):
        faces = folder(*self.NAMES)
        for rule in ("name", "(.+)_"):
            found = look_at(faces, rule)
            assert (found.people, found.rule) == ({"ann": 2, "bob": 1}, rule)
            assert "ann (2), bob (1)" in found.remarks[-1]

    @pytest.mark.parametrize(
        ("rule", "why"),
        [("(x.*)_", "no person in 3 of the 3"), ("ann", "needs a group"), ("(", "not a regular")],
    )
    def test_a_rule_that_does_not_fit(self, folder, rule, why):
        with pytest.raises(InputError, match=why):
            look_at(folder(*self.NAMES), rule)
