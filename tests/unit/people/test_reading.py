"""Exports of the usual programs as they are, and what is wrong in them."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facebench.errors import ConfigError, InputError
from facebench.people import people_of, read_trials
from facebench.people.trials import condition_columns

PSYCHOPY = """\
left_image,right_image,orientation,corrAns,key_resp.keys,key_resp.corr,key_resp.rt,participant,
,,,,,,,7,
stim/a.jpg,stim/b.jpg,upright,s,s,1,0.53,7,
stim/a.jpg,stim/c.jpg,inverted,d,None,0,,7,
stim/a.jpg,stim/d.jpg,inverted,d,s,0,1.2,7,
"""
OF_PSYCHOPY = {
    "trials": "data",
    "kind": "same-different",
    "columns": {
        "participant": "file",
        "img1": "left_image",
        "img2": "right_image",
        "response": "key_resp.keys",
        "rt": "key_resp.rt",
        "correct": "key_resp.corr",
    },
    "conditions": "orientation",
    "response": {"same": "s", "different": "d"},
    "images": {"strip": "stim/"},
}


@pytest.fixture
def psychopy(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    for number in range(3):
        (tmp_path / f"data/{number:02d}_inversion.csv").write_text(PSYCHOPY)
    return tmp_path


def changed(**columns: object) -> dict[str, object]:
    return {**OF_PSYCHOPY, "columns": {**OF_PSYCHOPY["columns"], **columns}}


def test_psychopy_writes_a_file_per_participant(psychopy):
    trials = people_of(OF_PSYCHOPY, folder=psychopy)

    assert trials.participants == ["00_inversion", "01_inversion", "02_inversion"]
    first = trials.table.iloc[:3]
    assert list(first["img2"]) == ["b.jpg", "c.jpg", "d.jpg"]
    np.testing.assert_array_equal(first["response"], [1, np.nan, 1])
    np.testing.assert_array_equal(first["rt"], [0.53, np.nan, 1.2])
    np.testing.assert_array_equal(first["correct"], [1, np.nan, 0])
    assert any(note.startswith("3 trials without a response are coded") for note in trials.notes)
    assert list(first["source row"]) == [3, 4, 5]
    assert condition_columns(trials) == ["orientation"]
    assert trials.notes[0] == "3 rows without an image (instructions, breaks) are not trials."
    assert trials.notes[1].startswith("RTs were taken to be in s")


def test_a_description_in_yaml_takes_codes_as_they_are_written(psychopy):
    text = (
        "trials: data/*.csv\nkind: same-different\ncolumns:\n  participant: {file: '^(\\d+)_'}\n"
        "  img1: left_image\n  img2: right_image\n  response: key_resp.keys\n  rt: key_resp.rt\n"
        "response: {same: s, different: [d, no]}\nrows: {orientation: {not: inverted}}\n"
        "rt_unit:\nconditions: null\nexclude: {rt: [0.2, null]}\n"
    )
    (psychopy / "trials.yaml").write_text(text)
    for file in (psychopy / "data").iterdir():
        file.write_text(PSYCHOPY.replace(",None,", ",no,"))

    trials = read_trials(psychopy / "trials.yaml")

    assert trials.participants == ["00", "01", "02"]
    assert set(trials.table["orientation"]) == {"upright"}


def test_a_response_that_contradicts_what_was_correct_is_an_error(psychopy):
    description = changed(correct_response="corrAns")
    np.testing.assert_array_equal(
        people_of(description, psychopy).table["correct"][:3], [1, np.nan, 0]
    )

    swapped = {**description, "response": {"same": "d", "different": "s"}}
    swapped["columns"] = {**swapped["columns"], "correct_response": {"value": "s"}}
    with pytest.raises(InputError, match=r"00_inversion.csv, row 5: `correct` contradicts .*"):
        people_of(swapped, psychopy)


@pytest.mark.parametrize(
    ("description", "says"),
    [
        ({**OF_PSYCHOPY, "response": {"same": "f", "different": "d"}},
         r"00_inversion.csv, row 3: 's' is not a known code .*same: f; different: d.*\(6 times\)"),
        ({**OF_PSYCHOPY, "response": {"same": "s", "different": "s"}}, "'s' has two meanings"),
        ({**OF_PSYCHOPY, "response": {"yes": "s"}}, "'same', 'different' .* not 'yes'"),
        (changed(img1="left_imag"), "no column 'left_imag' for 'img1'. Did you mean 'left_image'"),
        (changed(participant={"file": "sub-(.*)"}), "finds nothing in the name of"),
        (changed(participant="orientation"), None),
        (changed(rt="corrAns"), "00_inversion.csv, row 3: 'rt' must be a number. Got 's'"),
        ({**OF_PSYCHOPY, "kind": "same"}, "wrong value at 'kind'"),
        ({**OF_PSYCHOPY, "colums": {}}, "unknown key 'colums'. Did you mean 'columns'"),
        ({**OF_PSYCHOPY, "trials": "date"}, "does not exist.*Did you mean 'data'"),
        ({**OF_PSYCHOPY, "rows": {"orientation": "tilted"}}, "no trials that `rows` keeps"),
        ({**OF_PSYCHOPY, "kind": "choice", "response": None}, "need 'target'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_file_and_row(psychopy, description, says):
    if says is None:
        assert people_of(description, psychopy).participants == ["upright", "inverted"]
        return
    with pytest.raises((ConfigError, InputError), match=says):
        people_of(description, psychopy)


@pytest.mark.parametrize(
    ("header", "row", "description", "says"),
    [
        ("participant,img1,img2,response,response", "p,a,b,1,0", {}, "several columns 'response'"),
        ("participant,img1,img2,response", "p,a,b,1,x", {}, "line 2 has 5 cells"),
        ("participant,img1,img2,respnse", "p,a,b,1", {"columns": {"respnse": "respnse"}},
         "did you mean 'response'"),
        ("participant,img1,img2,response,rt", "p,a,b,1,1", {"exclude": {"rt": [5, 0.2]}},
         "minimum RT first"),
        ("participant,img1,img2,response,rt", "p,a,b,1,\"1,234\"", {}, "Got '1,234'"),
        ("participant,target,alt1,alt2,response", "p,a,c,c,1", {"kind": "choice"},
         "row 2: alt1 and alt2 are the same image, 'c'"),
    ],
)  # fmt: skip
def test_ambiguous_tables_are_refused(tmp_path, header, row, description, says):
    (tmp_path / "t.csv").write_text(f"{header}\n{row}\n")
    with pytest.raises((ConfigError, InputError), match=says):
        people_of({"trials": "t.csv", "kind": "same-different", **description}, tmp_path)


def test_decimal_commas_are_told_by_other_cells(tmp_path):
    rows = ["participant;img1;img2;response;rt", "p;a;b;1;0,81", "p;a;c;1;1,076"]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    assert read_trials(tmp_path / "t.csv").table["rt"].tolist() == [0.81, 1.076]


@pytest.mark.parametrize(
    ("files", "refused"),
    [
        ({"a": ["0,81"], "b": ["953", "1,076"]}, "b.csv, row 3"),
        ({"a": ["0,81", "0.95", "1,076"]}, "a.csv, row 4"),
        ({"a": ["0,81", "1.076"]}, "a.csv, row 3"),
    ],
    ids=["another file's commas", "commas and points", "a point may part thousands"],
)
def test_commas_of_two_meanings_are_refused(tmp_path, files, refused):
    for name, cells in files.items():
        rows = [f"{name};x{k};y;1;{cell}" for k, cell in enumerate(cells)]
        text = "\n".join(["participant;img1;img2;response;rt", *rows])
        (tmp_path / f"{name}.csv").write_text(text)
    with pytest.raises(InputError, match=f"{refused}.*write decimals with points"):
        people_of({"trials": "*.csv", "kind": "same-different"}, tmp_path)


def test_each_file_has_its_own_decimal_sign(tmp_path):
    for name, cells in {"a": ["0,81", "1,076"], "b": ["0.953", "1.2"]}.items():
        rows = [f"{name};x{k};y;1;{cell}" for k, cell in enumerate(cells)]
        text = "\n".join(["participant;img1;img2;response;rt", *rows])
        (tmp_path / f"{name}.csv").write_text(text)
    table = people_of({"trials": "*.csv", "kind": "same-different"}, tmp_path).table
    assert table["rt"].tolist() == [0.81, 1.076, 0.953, 1.2]


def test_decimal_commas_are_numbers(tmp_path):
    (tmp_path / "t.csv").write_text("participant;img1;img2;response;rt\np;a;b;2,5;0,53\n")
    table = people_of({"trials": "t.csv", "kind": "rating"}, tmp_path).table
    assert (table["response"][0], table["rt"][0]) == (2.5, 0.53)


def test_a_key_twice_in_a_description_is_refused(tmp_path):
    (tmp_path / "t.yaml").write_text("trials: a\nkind: rating\ntrials: b\n")
    with pytest.raises(ConfigError, match="'trials' twice, in lines 1 and 3"):
        read_trials(tmp_path / "t.yaml")


def test_jspsych_holds_json_in_cells_and_milliseconds(tmp_path):
    (tmp_path / "js.csv").write_text(
        '"rt","stimulus","response","task","subject"\n"1200","<p>Welcome</p>"," ","instr","abc"\n'
        '"843","[""img/a.jpg"",""img/b.jpg""]","{""Q0"":5}","rate","abc"\n'
        '"null","[""img/a.jpg"",""img/c.jpg""]","{""Q0"":2}","rate","abc"\n'
    )
    description = {
        "trials": "js.csv",
        "kind": "rating",
        "columns": {
            "participant": "subject",
            "img1": {"column": "stimulus", "json": 0, "pattern": "img/(.*)"},
            "img2": {"column": "stimulus", "json": 1},
            "response": {"column": "response", "json": "Q0"},
        },
        "rows": {"task": "rate"},
    }

    trials = people_of(description, tmp_path)

    assert list(trials.table["img1"]) == ["a.jpg", "a.jpg"]
    assert list(trials.table["img2"]) == ["img/b.jpg", "img/c.jpg"]
    assert list(trials.table["response"]) == [5, 2]
    assert trials.table["rt"].tolist()[0] == 0.843
    assert "1 rows left out by `rows` (task)." in trials.notes


@pytest.mark.parametrize("layout", ["list", "lists", "lines", "object"])
def test_jspsych_writes_json(tmp_path, layout):
    start = {"trial_type": "instructions", "stimulus": "x", "response": None}
    own = [
        [
            {"trial_type": "key", "stimulus": ["a", "b"], "response": 0, "subject": who},
            {"trial_type": "key", "stimulus": ["a", "c"], "response": 1, "subject": who},
        ]
        for who in (1, 2)
    ]
    text = {
        "list": json.dumps([start, *own[0], *own[1]]),
        "lists": json.dumps(own),
        "lines": "\n".join(json.dumps(one) for one in own),
        "object": json.dumps({"trials": [*own[0], *own[1]], "version": 8}),
    }[layout]
    (tmp_path / "js.json").write_text(text)

    trials = people_of(
        {
            "trials": "js.json",
            "kind": "same-different",
            "columns": {
                "participant": "subject",
                "img1": {"column": "stimulus", "json": "0"},
                "img2": {"column": "stimulus", "json": "1"},
            },
            "response": {"same": 0, "different": 1},
            "rows": {"trial_type": "key"},
        },
        tmp_path,
    )

    assert trials.participants == ["1", "2"]
    assert list(trials.table["response"]) == [1, 0, 1, 0]


def test_qualtrics_has_three_header_rows_and_a_column_per_trial(tmp_path):
    (tmp_path / "q.csv").write_text(
        "StartDate,ResponseId,pair_01_rating,pair_01_rt,pair_02_rating,pair_02_rt\n"
        'Start Date,Response ID,"How similar, 1",t,"How similar, 2",t\n'
        '"{""ImportId"":""startDate""}","{""ImportId"":""_recordId""}",'
        '"{""ImportId"":""QID1""}","{""ImportId"":""QID2""}","{""ImportId"":""QID3""}",'
        '"{""ImportId"":""QID4""}"\n'
        "2024,R_1,5,2.5,6,3.5\n2024,R_2,,,3,1.5\n"
    )
    (tmp_path / "key.csv").write_text("item,img1,img2,kind\n1,a.jpg,b.jpg,hh\n2,a.jpg,c.jpg,ha\n")
    description = {
        "trials": "q.csv",
        "kind": "rating",
        "columns": {"participant": "ResponseId", "response": "rating"},
        "wide": {"columns": r"pair_(?P<item>\d+)_(?P<measure>rating|rt)"},
        "join": {"file": "key.csv", "on": "item"},
        "conditions": "kind",
    }

    table = people_of(description, tmp_path).table

    assert list(table["participant"]) == ["R_1", "R_1", "R_2", "R_2"]
    assert list(table["img2"]) == ["b.jpg", "c.jpg", "b.jpg", "c.jpg"]
    np.testing.assert_array_equal(table["response"], [5, 6, np.nan, 3])
    assert list(table["kind"]) == ["hh", "ha", "hh", "ha"]

    (tmp_path / "key.csv").write_text("item,img1,img2\n1,a.jpg,b.jpg\n")
    with pytest.raises(InputError, match=r"q.csv, row 4: key.csv has no row for item = '02' \(2"):
        people_of({**description, "conditions": None}, tmp_path)
    (tmp_path / "key.csv").write_text("item,img1,img2\n1,a.jpg,b.jpg\n1,a.jpg,c.jpg\n")
    with pytest.raises(InputError, match="several rows for item = '1'"):
        people_of(description, tmp_path)


def test_gorilla_has_rows_of_screens_and_an_end(tmp_path):
    (tmp_path / "g.csv").write_text(
        "Event Index,Participant Private ID,Zone Type,Reaction Time,Response,Correct,left,right\n"
        "1,101,content,,,,,\n2,101,response_keyboard_single,640.2,Same,1,a,b\n"
        "3,101,fixation,,,,a,b\n4,101,response_keyboard_single,540,Different,0,c,d\n"
        "END OF FILE,,,,,,,\n"
    )
    description = {
        "trials": "g.csv",
        "kind": "same-different",
        "columns": {
            "participant": "Participant Private ID",
            "img1": "left",
            "img2": "right",
            "response": "Response",
            "correct": "Correct",
            "rt": "Reaction Time",
        },
        "rows": {"Zone Type": "response_keyboard_single"},
        "rt_unit": "ms",
    }

    table = people_of(description, tmp_path).table

    assert list(table["response"]) == [1, 0]
    assert list(table["rt"]) == pytest.approx([0.6402, 0.54])


def test_psytoolkit_has_no_header(tmp_path):
    (tmp_path / "data").mkdir()
    for number in (1, 2):
        (tmp_path / f"data/s.{number}.txt").write_text(
            "training a.jpg b.jpg 1 500 1\nupright a.jpg b.jpg 1 723 1\n"
            "inverted a.jpg c.jpg 2 811 1\nupright a.jpg d.jpg 0 2000 3\n"
        )
    description = {
        "trials": "data",
        "kind": "same-different",
        "header": False,
        "separator": "space",
        "columns": {"participant": "file", "img1": 2, "img2": 3, "response": 4, "rt": 5},
        "conditions": {"orientation": 1},
        "response": {"same": 1, "different": 2},
        "missing": 0,
        "rows": {"1": {"not": "training"}},
    }

    trials = people_of(description, tmp_path)

    assert trials.participants == ["s.1", "s.2"]
    np.testing.assert_array_equal(trials.table["response"][:3], [1, 0, np.nan])
    assert list(trials.table["orientation"][:2]) == ["upright", "inverted"]


def test_lines_above_the_header_are_found(tmp_path):
    (tmp_path / "testable.csv").write_text(
        "filename,start\nx_1,2020\n\nsubject;stim1;stim2;RT;response\ns1;a;b;503;s\ns1;a;c;633;d\n"
    )
    description = {
        "trials": "testable.csv",
        "kind": "same-different",
        "columns": {
            "participant": "subject",
            "img1": "stim1",
            "img2": "stim2",
            "response": "response",
        },
        "response": {"same": "s", "different": "d"},
    }

    trials = people_of(description, tmp_path)

    assert list(trials.table["response"]) == [1, 0]
    assert trials.notes == ("testable.csv: the header was found in line 4.",)


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_other_encodings_are_read(tmp_path, encoding):
    text = "participant\timg1\timg2\tresponse\nMüller\ta\tb\t1\n"
    (tmp_path / "t.txt").write_text(text, encoding=encoding)
    trials = people_of({"trials": "t.txt", "kind": "same-different"}, tmp_path)
    assert trials.participants == ["Müller"]
    assert any("Windows-1252" in note for note in trials.notes) == (encoding == "cp1252")


OLD_NEW = pd.DataFrame(
    {
        "participant": [1, 1, 2],
        "image": ["a", "b", "a"],
        "response": [1.0, 0.0, None],
        "confidence": [1, 2.5, 3],
        "group": ["x", "x", "y"],
    }
)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".xlsx"])
def test_a_table_in_this_form_needs_no_mapping(tmp_path, suffix):
    file = tmp_path / f"trials{suffix}"
    if suffix == ".xlsx":
        pytest.importorskip("openpyxl")
        OLD_NEW.to_excel(file, index=False)
    elif suffix == ".parquet":
        OLD_NEW.to_parquet(file)
    else:
        OLD_NEW.to_csv(file, index=False, sep="\t" if suffix == ".tsv" else ",")

    trials = people_of({"trials": file.name, "kind": "old-new"}, tmp_path)

    assert trials.participants == ["1", "2"]
    assert trials.groups == ["x", "y"]
    np.testing.assert_array_equal(trials.table["response"], [1, 0, np.nan])
    assert list(trials.table["confidence"]) == [1, 2.5, 3]
    assert trials.notes == ("Responses were taken as 1 = old and 0 new. Set `response` if not.",)


def test_excel_without_its_package_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "t.xlsx").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(InputError, match=r"pip install 'facebench\[excel\]'"):
        people_of({"trials": "t.xlsx", "kind": "old-new"}, tmp_path)


def test_a_group_that_changes_within_a_participant_is_refused(tmp_path):
    OLD_NEW.assign(participant=1).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match="'1' is in several groups: x, y"):
        people_of({"trials": "t.csv", "kind": "old-new"}, tmp_path)


CHOICES = "participant,target,alt1,alt2,key,right\np,a,b,c,f,f\np,a,b,c,j,f\np,d,e,f,,j\n"


@pytest.mark.parametrize(
    ("columns", "response", "expected"),
    [
        ({"response": "key"}, {"alt1": "f", "alt2": "j"}, ["b", "c", None]),
        ({"response": "key"}, {"alt1": ["f", "J"], "none": "x"}, None),
    ],
)
def test_a_choice_is_the_name_of_an_alternative(tmp_path, columns, response, expected):
    (tmp_path / "c.csv").write_text(CHOICES)
    description = {
        "trials": "c.csv",
        "kind": "choice",
        "columns": {**columns, "correct_response": "right"},
        "response": response,
    }
    if expected is None:
        trials = people_of(description, tmp_path)
        assert list(trials.table["response"].dropna()) == ["b", "b"]
        return
    trials = people_of(description, tmp_path)
    assert trials.table["response"].tolist()[:2] == expected[:2]
    assert pd.isna(trials.table["response"].iloc[2])
    np.testing.assert_array_equal(trials.table["correct"], [1, 0, np.nan])


def test_choices_that_are_only_right_or_wrong_are_inferred(tmp_path):
    (tmp_path / "c.csv").write_text(
        "participant,target,match,foil,acc\np,a,b,c,1\np,a,b,c,0\np,a,b,c,\n"
    )
    description = {
        "trials": "c.csv",
        "kind": "choice",
        "columns": {
            "alternatives": ["match", "foil"],
            "correct": "acc",
            "correct_response": {"value": "alt1"},
        },
    }

    trials = people_of(description, tmp_path)

    assert trials.table["response"].tolist()[:2] == ["b", "c"]
    assert pd.isna(trials.table["response"].iloc[2])
    assert "Responses were inferred from 'correct' and 'correct_response'." in trials.notes


def test_ranks_become_an_order(tmp_path):
    (tmp_path / "r.csv").write_text(
        "participant,target,alt1,alt2,alt3,r1,r2,r3\np,a,b,c,d,2,1,3\np,a,b,c,d,1,1,2\n"
    )
    description = {"trials": "r.csv", "kind": "order", "columns": {"ranks": ["r1", "r2", "r3"]}}

    responses = people_of(description, tmp_path).table["response"]

    assert responses[0] == "c|b|d"
    assert pd.isna(responses[1])


def test_numbers_become_names_by_a_list_or_a_pattern(tmp_path):
    (tmp_path / "t.csv").write_text("participant,image,response\np,1,1\np,3,0\n")
    (tmp_path / "names.txt").write_text("x.jpg\ny.jpg\nz.jpg\n")
    description = {"trials": "t.csv", "kind": "old-new"}

    by_list = people_of({**description, "images": {"names": "names.txt"}}, tmp_path)
    by_pattern = people_of({**description, "images": {"pattern": "f{:03d}.png"}}, tmp_path)

    assert list(by_list.table["image"]) == ["x.jpg", "z.jpg"]
    assert list(by_pattern.table["image"]) == ["f001.png", "f003.png"]
    with pytest.raises(InputError, match=r"row 3: '3' is not the number of an image.*0 to 2"):
        people_of({**description, "images": {"names": "names.txt", "first": 0}}, tmp_path)


def test_raters_in_columns_become_trials(tmp_path):
    (tmp_path / "p.csv").write_text("img1,img2,r1,r2\na,b,0.5,0.25\na,c,1,\n")
    description = {
        "trials": "p.csv",
        "kind": "rating",
        "wide": {"columns": r"(?P<participant>r\d)"},
        "columns": {"response": "value"},
    }

    table = people_of(description, tmp_path).table

    assert list(table["participant"]) == ["r1", "r2", "r1", "r2"]
    np.testing.assert_array_equal(table["response"], [0.5, 0.25, 1, np.nan])


def test_orders_may_leave_out_alternatives(tmp_path):
    (tmp_path / "o.csv").write_text("participant,target,alt1,alt2,alt3,response\np,t,a,b,c,c|a\n")
    trials = people_of({"trials": "o.csv", "kind": "order"}, tmp_path)
    assert trials.table["response"].tolist() == ["c|a"]
    assert any("1 of 1 orders leave out alternatives" in note for note in trials.notes)
    (tmp_path / "o.csv").write_text("participant,target,alt1,alt2,alt3,response\np,t,a,b,c,c|d\n")
    with pytest.raises(InputError, match=r"'c\|d' is not a known code"):
        people_of({"trials": "o.csv", "kind": "order"}, tmp_path)


def test_a_table_is_joined_on_files_and_passes_rows_without_a_key(tmp_path):
    for who in ("ann", "bob"):
        rows = [
            "id,item,response,phase",
            "7,,,instructions",
            "7,1,1,test",
            "7,2,0,test",
            "7,9,0,try",
        ]
        (tmp_path / f"{who}_log.csv").write_text("\n".join(rows))
    (tmp_path / "key.csv").write_text("item,img1,img2\n1,a,b\n2,a,c\n")
    (tmp_path / "who.csv").write_text("file,group\nann_log,old\nbob_log,young\n")
    said = {
        "trials": "*_log.csv",
        "kind": "same-different",
        "columns": {"participant": "file"},
        "rows": {"phase": {"not": "try"}},
        "join": [{"file": "key.csv", "on": "item"}, {"file": "who.csv", "on": "file"}],
    }
    table = people_of(said, tmp_path).table
    assert table[["participant", "group", "img2"]].to_numpy().tolist() == [
        ["ann_log", "old", "b"], ["ann_log", "old", "c"],
        ["bob_log", "young", "b"], ["bob_log", "young", "c"],
    ]  # fmt: skip
    assert "file" not in table


@pytest.mark.parametrize("given", [False, 3, ["trials.csv"]])
def test_what_is_no_file_and_no_description_is_refused(given):
    with pytest.raises(InputError, match=r"Trials must be a file .* Got"):
        people_of(given)
