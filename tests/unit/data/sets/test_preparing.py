"""The usual data sets: their files found, their pairs read, what is not as it should be told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from facebench.data.sets.catalogue import FACE_SETS
from facebench.data.sets.preparing import PreparedSet, find_face_set, prepare_face_set
from facebench.errors import (
    InputError,
    MissingImageError,
    MissingPairsFileError,
    PairsError,
    UnknownNameError,
)
from support.face_sets import (
    FOLDS,
    TREES,
    agedb_protocol,
    image,
    lfw_people,
    lfw_view1,
    lfw_view2,
    packs,
    write,
)


def prepared(name: str, root: Path) -> PreparedSet:
    TREES[name](root)
    return prepare_face_set(name, root)


class TestEverySet:
    def test_has_a_tiny_tree(self) -> None:
        assert list(TREES) == list(FACE_SETS) == sorted(FACE_SETS)

    @pytest.mark.parametrize("name", FACE_SETS)
    def test_is_found_and_read(self, name: str, tmp_path: Path) -> None:
        found = prepared(name, tmp_path)
        official = [item.official for item in found.lists]
        assert official == [
            item for item in FACE_SETS[name].lists if name != "packs" or item.name == "lfw-pack"
        ]
        for item in found.lists:
            pairs = item.pairs
            folds = item.official.folds
            if name not in ("bfw", "lfw-view1"):
                assert len(pairs) == 4 * folds
            if folds:
                assert sorted(set(pairs["fold"])) == list(range(1, folds + 1))
                # Genuine and impostor pairs in each fold.
                assert pairs.groupby("fold")["same"].mean().tolist() == [0.5] * folds
            else:
                assert "fold" not in pairs
            if name == "packs":
                continue
            for side in ("img1", "img2"):
                assert all((item.images / image).is_file() for image in pairs[side])
            assert ((pairs["identity1"] == pairs["identity2"]) == (pairs["same"] == 1)).all()
            assert not pairs.isna().any(axis=None)

    @pytest.mark.parametrize("name", [name for name in FACE_SETS if name != "bfw"])
    def test_tells_that_there_are_fewer_pairs_than_there_should_be(
        self, name: str, tmp_path: Path
    ) -> None:
        found = prepared(name, tmp_path)
        told = [r for r in found.remarks if "cannot be compared with published" in r]
        assert len(told) == len(found.lists)
        assert FACE_SETS[name].lists[0].counts in "".join(told)

    def test_of_official_size_has_no_remark_about_pairs(self, tmp_path: Path) -> None:
        packs(tmp_path, "lfw.bin", [True] * 300 + [False] * 300)
        [remark] = prepare_face_set("packs", tmp_path).remarks[:1]
        assert "would hold one class" in remark

    def test_identities_are_those_of_the_names(self, tmp_path: Path) -> None:
        people = {
            "agedb-30": "0",
            "calfw": "Ann_Lee",
            "cfp-fp": "001",
            "cplfw": "Ann_Lee",
            "lfw-view2": "Ann_Lee",
            "rfw": "African/m.00a",
            "bfw": "0",
        }
        for name, person in people.items():
            [first, *_] = prepared(name, tmp_path / name).lists
            assert first.pairs["identity1"][0] == person

    def test_people_of_agedb_are_named_by_the_part_that_the_labels_agree_with(
        self, tmp_path: Path
    ) -> None:
        # Two people called John; and names that begin with the number of the image.
        beginnings = {
            "person": ("3_John_Ford_1", "3_John_Ford_2", "4_John_Wayne_1", "4_John_Wayne_2"),
            "image": ("1_JohnFord", "2_JohnFord", "3_JohnWayne", "4_JohnWayne"),
        }
        expected = {"person": ["3", "3", "4"], "image": ["JohnFord", "JohnFord", "JohnWayne"]}
        for kind, (one, two, other, last) in beginnings.items():
            root = tmp_path / kind
            names = [f"{name}_35_m" for name in (one, two, other, last)]
            for place, name in enumerate(names):
                image(root / "03_Protocol_Images" / f"{name}.jpg", place)
                write(root / "03_Protocol_Images" / f"{name}.pts", "version: 1")
            one, two, other, last = names
            folds = [[(one, two, 1), (one, other, -1), (other, last, 1)]] * FOLDS
            agedb_protocol(root / "04_FINAL_protocol_30_years.mat", folds)
            found = prepare_face_set("agedb-30", root)
            pairs = found.lists[0].pairs
            assert pairs["identity1"][:3].tolist() == [*expected[kind][:2], expected[kind][2]]
            assert ((pairs["identity1"] == pairs["identity2"]) == (pairs["same"] == 1)).all()
            assert not any("contradict" in remark for remark in found.remarks)

    def test_groups(self, tmp_path: Path) -> None:
        rfw = prepared("rfw", tmp_path / "rfw")
        assert [item.pairs["group1"].unique().tolist() for item in rfw.lists] == [
            ["African"],
            ["Asian"],
            ["Caucasian"],
            ["Indian"],
        ]
        # The folder of texts has folders of the same names, and no people.
        assert rfw.lists[0].images == tmp_path / "rfw" / "test" / "data"
        bfw = prepared("bfw", tmp_path / "bfw").lists[0].pairs
        assert sorted(set(bfw["group1"])) == ["asian_females", "black_males"]

    def test_folds_of_calfw_are_those_it_numbers(self, tmp_path: Path) -> None:
        pairs = prepared("calfw", tmp_path).lists[0].pairs
        expected = [fold for fold in range(1, FOLDS + 1) for _ in range(2)]
        assert pairs["fold"].tolist() == expected * 2


class TestWhatIsWrong:
    def test_another_suffix_is_taken_and_told(self, tmp_path: Path) -> None:
        lfw_view2(tmp_path, suffix=".png")
        found = prepare_face_set("lfw-view2", tmp_path)
        assert found.lists[0].pairs["img1"].str.endswith(".png").all()
        assert any("another suffix" in remark for remark in found.remarks)

    def test_another_suffix_of_images_in_no_folder(self, tmp_path: Path) -> None:
        TREES["calfw"](tmp_path)
        folder = tmp_path / "aligned images"
        for path in folder.iterdir():
            image(path.with_suffix(".png"))
            path.unlink()
        found = prepare_face_set("calfw", tmp_path)
        assert found.lists[0].pairs["img1"][0] == "Ann_Lee_0001.png"

    def test_a_missing_person(self, tmp_path: Path) -> None:
        lfw_view2(tmp_path)
        shutil.rmtree(tmp_path / "lfw-deepfunneled" / "Bea_Moe")
        said = (
            r"2 of 8 images of lfw-view2 are missing in .*Bea_Moe_000[12]\.jpg.* Of 1 of 4 people "
            r"all are missing: Bea_Moe\. The archive seems to be unpacked in part"
        )
        with pytest.raises(MissingImageError, match=said):
            prepare_face_set("lfw-view2", tmp_path)

    def test_a_missing_image(self, tmp_path: Path) -> None:
        lfw_view2(tmp_path)
        (tmp_path / "lfw-deepfunneled" / "Bea_Moe" / "Bea_Moe_0002.jpg").unlink()
        with pytest.raises(MissingImageError, match=r"1 of 8 images") as caught:
            prepare_face_set("lfw-view2", tmp_path)
        assert "people" not in str(caught.value)

    def test_archives_that_are_still_packed(self, tmp_path: Path) -> None:
        lfw_view2(tmp_path)
        shutil.rmtree(tmp_path / "lfw-deepfunneled")
        write(tmp_path / "lfw-deepfunneled.tgz", "")
        with pytest.raises(MissingImageError, match=r"to be unpacked first: lfw-deepfunneled\.tgz"):
            prepare_face_set("lfw-view2", tmp_path)
        (tmp_path / "pairs.txt").unlink()
        with pytest.raises(MissingPairsFileError, match=r"needs pairs\.txt below .*deepfunneled"):
            prepare_face_set("lfw-view2", tmp_path)

    def test_one_of_several_lists_is_missing(self, tmp_path: Path) -> None:
        TREES["rfw"](tmp_path)
        (tmp_path / "test" / "txts" / "Asian" / "Asian_pairs.txt").unlink()
        with pytest.raises(MissingPairsFileError, match=r"needs Asian_pairs\.txt"):
            prepare_face_set("rfw", tmp_path)

    def test_none_of_the_packs(self, tmp_path: Path) -> None:
        with pytest.raises(MissingPairsFileError, match=r"needs one of agedb_30\.bin"):
            prepare_face_set("packs", tmp_path)

    def test_images_in_two_places(self, tmp_path: Path) -> None:
        lfw_view2(tmp_path)
        lfw_people(tmp_path / "lfw")
        with pytest.raises(InputError, match=r"2 folders below .*--images"):
            prepare_face_set("lfw-view2", tmp_path)
        found = prepare_face_set("lfw-view2", tmp_path, tmp_path / "lfw")
        assert found.lists[0].images == tmp_path / "lfw"

    def test_two_lists_of_one_name(self, tmp_path: Path) -> None:
        lfw_view2(tmp_path)
        shutil.copy(tmp_path / "pairs.txt", tmp_path / "lfw-deepfunneled" / "pairs.txt")
        prepare_face_set("lfw-view2", tmp_path)
        write(tmp_path / "lfw-deepfunneled" / "pairs.txt", "1\nAnn_Lee 1 2\nAnn_Lee 1 Bea_Moe 1")
        with pytest.raises(InputError, match=r"2 times below .* different content"):
            prepare_face_set("lfw-view2", tmp_path)

    def test_a_list_of_another_form(self, tmp_path: Path) -> None:
        lfw_view1(tmp_path)
        write(tmp_path / "pairsDevTest.txt", "img1,img2,same\n")
        with pytest.raises(PairsError, match=r"pairsDevTest\.txt must be 'NAME i j'"):
            prepare_face_set("lfw-view1", tmp_path)

    def test_labels_that_names_contradict(self, tmp_path: Path) -> None:
        TREES["calfw"](tmp_path)
        path = tmp_path / "pairs_CALFW.txt"
        lines = path.read_text(encoding="utf-8").splitlines()
        lines[:2] = ["Ann_Lee_0001.jpg 1", "Bea_Moe_0002.jpg 1"]
        write(path, "\n".join(lines))
        remarks = prepare_face_set("calfw", tmp_path).remarks
        assert any("1 pairs of pairs_CALFW.txt have labels" in remark for remark in remarks)

    def test_a_list_that_was_shuffled(self, tmp_path: Path) -> None:
        TREES["rfw"](tmp_path)
        path = tmp_path / "test" / "txts" / "African" / "African_pairs.txt"
        lines = path.read_text(encoding="utf-8").splitlines()
        write(path, "\n".join(sorted(lines)))
        found = prepare_face_set("rfw", tmp_path)
        assert any("does not consist of 10 blocks" in remark for remark in found.remarks)
        assert found.lists[0].pairs["fold"].nunique() == FOLDS

    def test_folders_that_are_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(MissingPairsFileError, match="does not exist"):
            prepare_face_set("lfw-view2", tmp_path / "none")
        (tmp_path / "file").write_text("")
        with pytest.raises(MissingPairsFileError, match="file is a file"):
            prepare_face_set("calfw", tmp_path / "file")
        with pytest.raises(MissingImageError, match="does not exist"):
            prepare_face_set("lfw-view2", tmp_path, tmp_path / "none")

    def test_names_that_are_not_known(self) -> None:
        with pytest.raises(UnknownNameError, match=r"Did you mean lfw-view1 or lfw-view2\?"):
            prepare_face_set("lfw", ".")
        with pytest.raises(UnknownNameError, match=r"Did you mean 'lfw-view2'\?"):
            find_face_set("lfwview2")
