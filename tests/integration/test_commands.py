"""Every command of the command line: what it prints, where, and how it ends."""

import json
import os
import runpy
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from facebench.cli import app
from support.data import data_folder
from support.small_run import save_small_run
from support.stranger import write_stranger

COMMANDS = [
    "demo", "init", "run", "validate", "schema", "report", "compare", "power", "leaderboard",
    "models", "layers", "tasks", "metrics", "embed", "pairs", "stimuli", "align", "cache", "new",
    "prompt", "doctor", "slurm", "status", "figures",
]  # fmt: skip


@pytest.fixture
def call(tmp_path, monkeypatch, world):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEBENCH_CACHE", str(tmp_path / "store"))
    (tmp_path / "faces").symlink_to(world.images)
    (tmp_path / "pairs.csv").write_bytes(world.pairs.read_bytes())

    def made(*arguments, status=0):
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert done.exit_code == status, f"{done.output}\n{done.stderr}\n{done.exception!r}"
        return SimpleNamespace(out=done.stdout, talk=done.stderr, folder=tmp_path)

    return made


def process(*arguments, cwd=None, **variables):
    return subprocess.run(
        [sys.executable, "-m", "facebench", *map(str, arguments)],
        cwd=cwd,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


class TestHelp:
    def test_every_command_and_status_is_told(self):
        shown = process("--help").stdout
        for command in COMMANDS:
            assert f"\n  {command} " in shown
        told = " ".join(shown.split())
        assert "0 fine, 1 some model or task failed, 2 wrong input, 130" in told

    def test_each_command_is_one_line_of_80_columns_with_an_example_of_its_own(self, monkeypatch):
        monkeypatch.setenv("COLUMNS", "80")
        shown = CliRunner().invoke(app, ["--help"]).stdout
        for group in ("cache", "data", "people"):
            shown += CliRunner().invoke(app, [group, "--help"]).stdout.partition("Commands:")[2]
        assert "..." not in shown.partition("Run:")[2]
        assert max(map(len, shown.splitlines())) <= 80
        for name, made in typer.main.get_command(app).commands.items():
            for own, one in getattr(made, "commands", {name: made}).items():
                full = name if own == name else f"{name} {own}"
                assert one.epilog.startswith(f"Example: facebench {full}"), full

    @pytest.mark.parametrize("command", [command for command in COMMANDS if command != "cache"])
    def test_every_command_has_the_modes(self, call, command):
        shown = call(command, "--help").out
        for mode in ("--json", "--quiet", "--verbose"):
            assert mode in shown


SHELLS = ["bash", "zsh", "fish"]


class TestCompletion:
    """By the protocol that the shells' scripts speak; no shell is needed."""

    @pytest.fixture
    def complete(self, monkeypatch, capsys):
        def completed(shell, words):
            last = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
            asked = {"_TYPER_COMPLETE_ARGS": words, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
            variables = last if shell == "bash" else asked
            return run(f"complete_{shell}", **variables)

        def run(instruction, **variables):
            for name, value in (variables | {"_FACEBENCH_COMPLETE": instruction}).items():
                monkeypatch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                app(prog_name="facebench")
            shown = capsys.readouterr()
            assert (ended.value.code, shown.err) == (0, "")
            return shown.out

        completed.run = run
        return completed

    @pytest.mark.parametrize("shell", SHELLS)
    def test_there_is_a_script(self, complete, shell):
        script = complete.run(f"source_{shell}")
        assert f"_FACEBENCH_COMPLETE=complete_{shell}" in script

    @pytest.mark.parametrize("shell", SHELLS)
    @pytest.mark.parametrize(
        ("words", "found", "others"),
        [
            ("facebench le", ["leaderboard"], ["layers"]),
            ("facebench run --fo", ["--force"], ["--set"]),
            ("facebench layers d", ["dinov2", "dlib-resnet"], ["clip"]),
            ("facebench embed faces --model v", ["vgg16"], ["clip"]),
            ("facebench new ", ["model", "task"], ["plot"]),
            ("facebench prompt p", ["plot"], ["task"]),
        ],
    )
    def test_commands_options_and_names(self, complete, shell, words, found, others):
        shown = complete(shell, words)
        assert all(word in shown for word in found)
        assert not any(word in shown.replace("facebench", "") for word in others)


class TestLists:
    @pytest.mark.parametrize(
        ("command", "name"),
        [("models", "dlib-resnet"), ("tasks", "verification"), ("metrics", "euclidean")],
    )
    def test_for_people_and_for_programs(self, call, command, name):
        assert name in call(command).out
        rows = json.loads(call(command, "--json").out)
        assert name in {row["name"] for row in rows}
        assert all(row["target"].count(":") == 1 for row in rows)

    def test_layers_with_their_widths(self, call):
        rows = json.loads(call("layers", "dlib-resnet", "layer5.*", "fc", "--json").out)
        assert [(row["layer"], row["width"]) for row in rows] == [("layer5.0", 1024), ("fc", 128)]
        assert "1,024" in call("layers", "dlib-resnet", "layer5.*").out

    def test_unknown_names(self, call):
        assert "Did you mean 'dlib-resnet'?" in call("layers", "dlib-resnt", status=2).talk
        assert "takes no 'algn'" in call("layers", "dlib-resnet", "--set", "algn=1", status=2).talk
        assert "matches no layer" in call("layers", "dlib-resnet", "conv9*", status=2).talk


class TestFolders:
    def test_embed(self, call):
        done = call("embed", "faces", "-l", "fc", "-l", "layer5.*", "-o", "e.npz")
        assert "e.npz" in done.out
        arrays = np.load(done.folder / "e.npz")
        assert arrays["fc"].shape == (18, 128)
        assert arrays["images"][0] == "person 0/0.png"
        call("embed", "faces", "-o", "e.parquet", "-q")
        table = pd.read_parquet(done.folder / "e.parquet")
        assert table["image"].tolist() == arrays["images"].tolist()
        np.testing.assert_allclose(np.stack(table["default"]), arrays["fc"], atol=1e-5)

    def test_embed_refuses(self, call):
        assert ".npz or a .parquet" in call("embed", "faces", "-o", "e.txt", status=2).talk
        assert "does not exist" in call("embed", "nowhere", status=2).talk

    def test_pairs(self, call):
        done = call("pairs", "faces", "-o", "p.csv", "--genuine", 6, "--impostor", 4, "--json")
        assert json.loads(done.out) == {"output": "p.csv", "genuine": 6, "impostor": 4}
        assert pd.read_csv(done.folder / "p.csv")["same"].sum() == 6
        assert "--force" in call("pairs", "faces", "-o", "p.csv", status=2).talk
        assert len(pd.read_csv(done.folder / "p.csv")) == 10
        call("pairs", "faces", "-o", "p.csv", "--force")
        assert len(pd.read_csv(done.folder / "p.csv")) > 10
        call("pairs", "faces", "--all", "-o", "all.csv")
        assert len(pd.read_csv(done.folder / "all.csv")) == 18 * 17 // 2
        assert "genuine" in call("pairs", "faces", "-o", "q.csv", "--genuine", 999, status=2).talk

    def test_align_lists_what_shows_no_face(self, call):
        done = call("align", "faces", "-o", "chips", "--json")
        found = json.loads(done.out)
        assert (found["written"], len(found["no_face"])) == (0, 18)
        call("align", "faces", "-o", "chips", "--keep-all", "--size", 64)
        table = pd.read_csv(done.folder / "chips" / "chips.csv")
        assert table["face"].tolist() == [0] * 18
        with Image.open(done.folder / "chips" / table["image"][0]) as chip:
            assert chip.size == (64, 64)
        assert "outside of" in call("align", "faces", "-o", "faces/x", status=2).talk

    def test_stimuli_lists_its_conditions(self, call):
        conditions = json.loads(call("stimuli", "--list", "--json").out)
        assert conditions["rotated"]["level"] == "angle"
        assert conditions["inverted"] == {"level": None, "parameters": {}}
        assert "rotated_90" in call("stimuli", "--list").out
        assert "stimuli FACES" in call("stimuli", status=2).talk
        talk = call("stimuli", "faces", "-c", "grey_30", status=2).talk
        assert "'grey' has no level" in " ".join(talk.split())

    def test_align_and_stimuli_of_real_faces(self, call, tmp_path):
        source = data_folder() / "johns_150"
        if not source.is_dir():
            pytest.skip(f"no face data at {source} (set FACEBENCH_DATA)")
        people = [path for path in sorted(source.rglob("*")) if path.is_dir()][:2]
        for person in people:
            (tmp_path / "real" / person.name).mkdir(parents=True)
            for path in sorted(person.glob("*.jpg"))[:2]:
                shutil.copy(path, tmp_path / "real" / person.name)
        aligned = json.loads(call("align", "real", "--json").out)
        assert aligned["written"] + len(aligned["no_face"]) == 2 * len(people)
        made = json.loads(call("stimuli", "real", "-c", "inverted", "--json").out)
        assert made["made"]["inverted"] == made["made"]["upright"] > 0
        assert "no condition" in call("stimuli", "real", "-c", "invertd", status=2).talk.lower()
        front = ("stimuli", "real", "-c", "thatcherised", "-o", "front", "--max-yaw", "0")
        assert "at most 0 are accepted" in " ".join(call(*front, status=2).talk.split())


class TestChecks:
    EXPERIMENT = (
        "images: faces\nmodels: dlib-resnet\nreport: false\nnum_workers: 0\n"
        "tasks: {a: {task: accuracy, pairs: pairs.csv, true_label: same}}\n"
    )

    def test_validate_prints_the_plan(self, call, tmp_path):
        (tmp_path / "x.yaml").write_text(self.EXPERIMENT)
        done = call("validate", "x.yaml", "--deep")
        assert "dlib-resnet" in done.out
        assert "x.yaml is fine." in done.talk
        plan = json.loads(call("run", "x.yaml", "--dry-run", "--json").out)
        assert plan["valid"]
        assert not (tmp_path / "runs").exists()

    def test_deep_decodes_every_image(self, call, tmp_path):
        (tmp_path / "faces").unlink()
        shutil.copytree((tmp_path / "pairs.csv").parent, tmp_path / "nothing", dirs_exist_ok=True)
        names = pd.read_csv(tmp_path / "pairs.csv")[["img1", "img2"]].stack().unique()
        for name in names:
            (tmp_path / "faces" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "faces" / name).write_bytes(b"no image")
        (tmp_path / "x.yaml").write_text(self.EXPERIMENT)
        done = call("validate", "x.yaml", "--deep", status=2)
        assert done.talk.count("cannot be decoded") == len(names)

    def test_mistakes_are_status_2_on_standard_error(self, call, tmp_path):
        (tmp_path / "x.yaml").write_text(self.EXPERIMENT + "sed: 3\nbatch_size: x\n")
        done = call("validate", "x.yaml", status=2)
        assert done.out == ""
        assert "Error: x.yaml:6:1: Unknown setting 'sed'. Did you mean 'seed'?" in done.talk
        assert "Error: x.yaml:7:1: batch_size must be a whole number." in done.talk
        found = json.loads(call("validate", "x.yaml", "--json", status=2).out)
        assert found["error"] == "ConfigError"
        assert len(found["problems"]) == 2
        assert "Traceback" in call("validate", "x.yaml", "-v", status=2).talk
        assert "does not exist" in call("run", "none.yaml", status=2).talk

    def test_init_refuses(self, call, tmp_path):
        call("init", "faces")
        assert "already exists" in call("init", "faces", status=2).talk
        call("init", "faces", "--force")
        (tmp_path / "empty").mkdir()
        assert "NAME/*.jpg" in call("init", "empty", "-o", "y.yaml", status=2).talk

    def test_the_schema(self, call):
        assert json.loads(call("schema").out)["title"] == "A facebench experiment"

    def test_nothing_is_coloured_where_nobody_watches_or_wants_it(self, tmp_path):
        for variables in ({"NO_COLOR": "1"}, {}):
            done = process("validate", "none.yaml", cwd=tmp_path, **variables)
            assert done.returncode == 2
            assert "\x1b[" not in done.stderr + done.stdout


class TestFigures:
    @pytest.fixture
    def saved(self, tmp_path):
        (tmp_path / "small").mkdir()
        save_small_run(tmp_path / "small", tmp_path / "runs")
        return next((tmp_path / "runs").iterdir())

    def test_of_a_saved_run(self, call, saved):
        wanted = ["--task", "rate", "--model", "plain", "--kind", "bars", "--kind", "scatter"]
        done = call("figures", saved, "--format", "pdf,svg", *wanted)
        folder = next(saved.glob("*/Figures"))
        assert done.out.strip() == str(folder)
        assert {path.name for path in folder.iterdir()} == {
            f"rate_{kind}.{suffix}" for kind in ("bars", "scatter") for suffix in ("pdf", "svg")
        }
        told = json.loads(call("figures", saved, *wanted, "-o", "out", "--json").out)
        assert sorted(told["figures"]) == ["out/rate_bars.png", "out/rate_scatter.png"]

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            (["--kind", "bar"], "Did you mean 'bars'"),
            (["--task", "rat"], "Did you mean 'rate'"),
            (["--model", "plane"], "Did you mean 'plain'"),
            (["--format", "jpeg"], "must be among png, pdf, svg"),
            (["--task", "rate", "--kind", "roc"], "rate can be drawn as roc"),
        ],
    )
    def test_what_is_not_there(self, call, saved, options, told):
        assert told in call("figures", saved, *options, status=2).talk
        assert not list(saved.glob("*/Figures"))


class TestYourOwn:
    @pytest.mark.parametrize(("kind", "name"), [("model", "my-net"), ("task", "MyOwnTask")])
    def test_new_passes_its_contract_and_runs(self, call, tmp_path, monkeypatch, kind, name):
        plugin, test = call("new", kind, name).out.split()
        monkeypatch.syspath_prepend(tmp_path)
        runpy.run_path(test)["test_contract"]()
        linted = subprocess.run(
            [sys.executable, "-m", "ruff", "check", "--isolated", "--select=E,F", plugin, test],
            cwd=tmp_path, capture_output=True, text=True,
        )  # fmt: skip
        assert linted.returncode == 0, linted.stdout
        if kind == "task":
            [measure] = sys.modules["my_own_task"].MyOwnTask.measures
            assert measure.headline
        said = {"models": "dlib-resnet", "tasks": {"a": {"task": "accuracy", "pairs": "pairs.csv"}}}
        said["tasks"]["a"]["true_label"] = "same"
        if kind == "model":
            said["models"] = plugin
        else:
            said["tasks"] = {"a": {"task": plugin, "pairs": "pairs.csv"}}
        (tmp_path / "x.yaml").write_text(json.dumps(said | {"images": "faces"}))
        call("validate", "x.yaml")

    def test_new_refuses(self, call):
        call("new", "model", "my-net")
        assert "already exists" in call("new", "model", "my_net", status=2).talk
        assert "Did you mean 'model'?" in call("new", "modle", "x", status=2).talk
        assert "needs a name of letters" in call("new", "task", "3", status=2).talk

    @pytest.mark.parametrize(
        ("kind", "parts"),
        [
            ("model", ["class BaseModel(", "class DinoModel"]),
            ("task", ["class BaseTask(", "class AccuracyTask"]),
            ("plot", ["class PlotHelper", "def plot("]),
        ],
    )
    def test_prompt_holds_the_class_an_example_and_the_wish(self, call, kind, parts):
        shown = call("prompt", kind, "a thing that counts freckles").out
        for part in [*parts, "Please write a thing that counts freckles"]:
            assert part in shown

    def test_prompt_refuses(self, call):
        assert "only for: model, task, plot" in call("prompt", "poem", status=2).talk


def test_doctor(call, tmp_path, monkeypatch):
    monkeypatch.setenv("FACEBENCH_CACHE", str(tmp_path / "mine"))
    told = {row["what"]: row for row in json.loads(call("doctor", "--json").out)}
    assert told["cache"]["detail"].startswith(str(tmp_path / "mine"))
    monkeypatch.setenv("FACEBENCH_CACHE", "off")
    findings = {row["what"]: row for row in json.loads(call("doctor", "--json").out)}
    assert findings["torch"]["state"] == "ok"
    assert {"memory", "cache", "device cpu", "weights of dlib-resnet"} <= findings.keys()


def test_doctor_of_a_model(call, tmp_path):
    write_stranger(tmp_path)
    network = ("--set", "network=my_net.py:MobileFaceNet", "--set", "input.size=112")
    told = ("--set", "pretrained=false", "--faces", "faces", "--number", 10)
    done = CliRunner().invoke(app, ["doctor", "module", *map(str, (*network, *told)), "--json"])
    # Of random weights any input may be the best.
    assert done.exit_code in (0, 1), done.output
    found = json.loads(done.stdout)
    assert len(found["inputs"]) == 12
    assert sum(one["is_given"] for one in found["inputs"]) == 1
    assert found["verdict"]
    assert "give both" in call("doctor", "module", status=2).talk
    assert "give both" in call("doctor", "--faces", "faces", status=2).talk
    (tmp_path / "x.yaml").write_text(
        "images: faces\nmodels: {one: dlib-resnet, two: dlib-resnet}\n"
        "tasks: {t: {task: verification, pairs: pairs.csv}}\n"
    )
    assert "There are: one, two" in call("doctor", "x.yaml", "--faces", "faces", status=2).talk


def test_whoever_stops_reading_is_no_error(tmp_path):
    done = subprocess.run(
        f"{sys.executable} -m facebench schema | head -c 5",
        shell=True, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert "Traceback" not in done.stderr


class TestShards:
    @pytest.fixture
    def experiment(self, tmp_path):
        (tmp_path / "x.yaml").write_text(
            "models: {net: vgg16}\ntasks: {t: {task: accuracy, pairs: pairs.csv}}\n"
            "packs: shared packs\n"
        )

    @pytest.mark.usefixtures("experiment")
    def test_jobs_for_slurm(self, call):
        done = call(
            "slurm", "x.yaml", "--shards", 6, "--gpus", 1, "--time", "2:00:00", "--mem", "16G",
            "--at-once", 3, "--sbatch=--partition=gpu", "--set", "name=my faces", "-o", "jobs",
        )  # fmt: skip
        shards, report = ((done.folder / "jobs" / name).read_text() for name in
                          ("shards.sbatch", "report.sbatch"))  # fmt: skip
        for line in (
            "--array=0-5%3", "--time=2:00:00", "--gpus=1", "--mem=16G", "--partition=gpu",
            "--requeue", "--signal=USR1@120",
        ):  # fmt: skip
            assert f"#SBATCH {line}\n" in shards
        # Keys of the store hold the kind of device, so that the report needs it too.
        assert "#SBATCH --gpus=1\n" in report
        assert "--shard \"$SLURM_ARRAY_TASK_ID/6\" --set 'name=my faces'" in shards
        assert f"-m facebench run {done.folder}/x.yaml --set 'name=my faces'" in report
        assert "--dependency=afterok:" in done.talk
        for script in ("shards", "report"):
            subprocess.run(["bash", "-n", f"jobs/{script}.sbatch"], check=True)

    @pytest.mark.usefixtures("experiment")
    def test_a_shard_that_a_signal_has_ended_is_queued_again(self, call):
        """Also by one that comes before Python can take it, or at its very end."""
        folder = call("slurm", "x.yaml", "--cpus", 8, "-o", "jobs").folder
        programs = folder / "programs"
        programs.mkdir()
        for name, does in (
            ("srun", 'echo "$SRUN_CPUS_PER_TASK" >> cpus; exit "$STATUS"'),
            ("scontrol", 'echo "$@" >> requeued'),
        ):
            (programs / name).write_text(f"#!/bin/sh\n{does}\n")
            (programs / name).chmod(0o755)

        def ended(script, status, **more):
            given = {"PATH": f"{programs}:{os.environ['PATH']}", "SLURM_JOB_ID": str(status)}
            given |= {"STATUS": str(status), **more}
            done = subprocess.run(["bash", f"jobs/{script}.sbatch"], env=given, check=False)
            return done.returncode

        statuses = [0, 1, 2, 75, 137, 138, 143]
        assert [ended("shards", status, SLURM_CPUS_PER_TASK="8") for status in statuses] == statuses
        requeued = (folder / "requeued").read_text().splitlines()
        assert requeued == ["requeue 75", "requeue 138", "requeue 143"]
        # srun does not take the cores from sbatch; without --cpus there are none to take.
        assert [ended("report", 0, SLURM_CPUS_PER_TASK="8"), ended("report", 0)] == [0, 0]
        assert (folder / "cpus").read_text().split("\n") == ["8"] * 8 + ["", ""]

    @pytest.mark.usefixtures("experiment")
    @pytest.mark.parametrize(
        ("options", "told"),
        [
            (["--time", "2 hours"], "--time must be in SLURM's format"),
            (["--sbatch", "--partition=a b"], "without spaces"),
            (["--sbatch", "rm"], "without spaces"),
            (["-o", "a b"], "takes no spaces"),
            (["--shards", "0"], "greater than or equal to 1"),
            (["--set", "packs=null"], "Shards publish what they embed as packs"),
        ],
    )
    def test_slurm_refuses(self, call, options, told):
        assert told in call("slurm", "x.yaml", *options, status=2).talk

    @pytest.mark.usefixtures("experiment")
    def test_status(self, call, tmp_path):
        from facebench.engine.sharding import Shard
        from facebench.run.shard_status import StatusFile

        assert "No shard of 'x' has started" in call("status", "x.yaml").out
        for number, state in enumerate(["done", "failed", "running"]):
            StatusFile(tmp_path / "shared packs", "x", Shard(number, 4), {}).end(state, "why")
        done = call("status", "x.yaml")
        assert "4 shards: 1 done, 1 running, 1 failed, 1 waiting." in done.out
        assert "Shard 1: why" in done.talk
        states = json.loads(call("status", "x.yaml", "--json").out)["states"]
        assert states["waiting"] == states["failed"] == 1

    def test_packs_of_a_store(self, call, tmp_path):
        from facebench.store import EmbeddingStore

        rows, images = np.ones((3, 4), np.float32), [bytes([n]) * 16 for n in range(3)]
        (tmp_path / "store").mkdir()
        with EmbeddingStore(tmp_path / "store") as store:
            store.write({"key": rows}, images)
        assert "3 new rows are now in 1 packs" in call("cache", "export", "packs").out
        assert "0 new rows are now in 0 packs" in call("cache", "export", "packs").out
        assert "3 new rows of 1 packs" in call("cache", "import", "packs", "--cache-dir", "b").out
        assert "0 new rows" in call("cache", "import", "packs", "--cache-dir", "b").out
        assert "1 packs, 3 rows read, 0 damaged" in call("cache", "verify", "--packs", "packs").out
        [pack] = (tmp_path / "packs").iterdir()
        pack.write_bytes(pack.read_bytes()[:-1] + b"x")
        done = call("cache", "verify", "--packs", "packs", status=1)
        assert "1 damaged rows. Remove it" in done.out
        done = call("cache", "import", "packs", "--cache-dir", "c", "--json", status=1)
        found = json.loads(done.out)
        assert (found["rows"], found["left_out"], found["packs"]) == (2, 1, 1)
        assert "1 rows of the pack" in done.talk
        pack.write_bytes(pack.read_bytes()[:-1])
        done = call("cache", "import", "packs", "--cache-dir", "d", status=1)
        assert "is not used: it is truncated. Copy it again" in done.talk
        pack.write_bytes(b"x" * 100)
        done = call("cache", "verify", "--packs", "packs", status=1)
        assert "is not used: it is not a pack of facebench" in done.talk
        assert "no folder of packs" in call("cache", "import", "nowhere", status=2).talk
