"""Pages are well formed, and show what the run holds."""

import base64
import html
import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from facebench import load_run
from facebench.errors import RunFolderError
from facebench.results.compare import compare_runs
from facebench.results.leaderboard import leaderboard
from facebench.results.report.measure_data import effect_data
from facebench.results.report.run_page import write_report
from facebench.results.run_folder import RunFolder
from support.small_run import small_manager

VOID = {"meta", "input", "br", "img", "link", "hr"}


class Nesting(HTMLParser):
    """Checks that tags are closed in order and ids are used once."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.faults = [], [], []

    def handle_starttag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append((tag, self.getpos()))


@pytest.mark.slow
@pytest.mark.parametrize("page", ["report", "compare", "leaderboard"])
def test_pages_are_well_formed_and_name_no_address(runs, tmp_path, page):
    target = tmp_path / "page.html"
    if page == "report":
        write_report(runs[0], target)
    elif page == "compare":
        compare_runs(*runs, target)
    else:
        leaderboard(runs, target)
    text = target.read_text(encoding="utf-8")
    parser = Nesting()
    parser.feed(text)
    assert parser.faults == []
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", text)
    assert "<script>alert" not in text
    # What the W3C's validators take for errors (see test_validators.py, where they are installed).
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL).group(1)
    assert not re.search(r"aspect-ratio|gradient\(var", style)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]


@pytest.mark.slow
def test_effect_shows_its_conditions_and_what_people_do(tmp_path):
    manager = small_manager(tmp_path)
    effect = manager.tasks["effect"]
    effect.human_references = (
        ("Difference: positive", float("nan"), "Ada <1843>"),
        ("accuracy", 0.9753, "Bo 2009"),
    )
    run = RunFolder.create(tmp_path / "runs", "effect").save(manager)
    facts = load_run(run).tasks["effect"]
    assert facts.effect == {"down": "down Mean", "up": "up Mean"}
    results = load_run(run).results.query("task == 'effect'")
    data = effect_data(results, "effect", facts)
    assert (data["measure"], data["conditions"]) == ("Mean", ["down", "up"])
    means = results.query("model == 'shallow' and layer == 'conv3'").set_index("metric")["value"]
    shallow = next(one for one in data["series"] if one["model"] == "shallow")
    assert shallow["value"] == [means["down Mean"], means["up Mean"]]
    text = write_report(run).read_text(encoding="utf-8")
    # The top of the page needs no script.
    top = text[text.index('<section id="found">') : text.index('<section id="headline"')]
    [verdict] = re.findall(
        r'<article class="verdict">\n<h3><a href="#task-\d+">effect</a>.*?</article>',
        top,
        re.DOTALL,
    )
    assert re.search(r"<p>(deep|shallow|plain).* does not show a difference \(", verdict)
    assert verdict.count("<circle") == 3
    for condition in ("down", "up"):
        assert len(re.findall(f'<img src="data:image/jpeg[^>]*alt="{condition}: ', verdict)) == 2
    assert "Difference: positive (Ada &lt;1843&gt;)" in text
    assert "accuracy: 0.9753 (Bo 2009)" in text


@pytest.mark.slow
def test_methods_are_on_the_page_and_can_be_saved(runs, tmp_path):
    text = write_report(runs[0], tmp_path / "page.html").read_text(encoding="utf-8")
    found = load_run(runs[0]).methods()
    assert html.escape(found.text.split("\n\n")[0], quote=False) in text.replace("&#39;", "'")
    for name, content in (("methods.tex", found.latex), ("references.bib", found.bibtex)):
        packed = re.search(rf'download="{name}" href="data:[^,]*;base64,([^"]*)"', text).group(1)
        assert base64.b64decode(packed).decode() == content


@pytest.mark.slow
def test_report_of_a_run_without_results_or_pictures(runs, tmp_path):
    empty = RunFolder.create(tmp_path / "runs", "nothing yet")
    page = write_report(empty.path)
    assert page == empty.path / "report.html"
    assert "not complete: running" in page.read_text()
    bare = tmp_path / "bare"
    shutil.copytree(runs[0], bare)
    (bare / "distances.parquet").unlink()
    manifest = json.loads((bare / "manifest.json").read_text())
    for task in manifest["tasks"].values():
        task["images_path"] = str(tmp_path / "gone")
    (bare / "manifest.json").write_text(json.dumps(manifest))
    assert "0.9" in write_report(bare).read_text()
    with pytest.raises(RunFolderError, match="There is no run in"):
        write_report(tmp_path / "gone")
