"""The pages in a real Chromium: nothing fails, nothing leaks out, everything can be used."""

import base64
import re
import time
from functools import partial
from itertools import pairwise

import pytest

pytest.importorskip("selenium")
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from facebench import load_run
from facebench.results.compare import compare_runs
from facebench.results.leaderboard import leaderboard
from facebench.results.report.run_page import write_report
from support.axe import axe_source, violations
from support.browser import browser
from support.small_run import ALERT, save_small_run


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    runs = tmp_path_factory.mktemp("runs")
    first = save_small_run(folder, runs, seed=0, config={"folds": 5, "name": "</script><b>"})
    second = save_small_run(folder, runs, seed=1, config={"folds": 10})
    compare_runs(first, second, runs / "compare.html")
    return {
        "run": first,
        "report": write_report(first),
        "compare": runs / "compare.html",
        "leaderboard": leaderboard([first, second], runs / "leaderboard.html").path,
    }


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


def wait(driver, script, seconds=20):
    deadline = time.monotonic() + seconds
    while not (found := driver.execute_script(f"return {script}")):
        if time.monotonic() > deadline:
            pytest.fail(f"the page never came to: {script}")
        time.sleep(0.05)
    return found


def visit(driver, page, *, fresh=True):
    """Open a page; one that is open already is left as it is unless it must be fresh."""
    if not fresh and driver.current_url == page.as_uri():
        return
    driver.get_log("browser")
    driver.get(page.as_uri())
    wait(driver, "document.documentElement.dataset.ready")


def draw_all(driver):
    driver.execute_script("dispatchEvent(new Event('beforeprint'))")
    wait(driver, "document.querySelectorAll('.plot:not(.drawn)').length === 0")


def scroll_to(driver, chart, part):
    """Bring a chart into view, as a reader does; returns a part of it when it is drawn."""
    figure = f"document.querySelector('[data-chart={chart}]')"
    driver.execute_script(f"{figure}.scrollIntoView()")
    return wait(driver, f"{figure}.querySelector('.drawn') && {figure}.querySelector('{part}')")


def column(driver, table, number):
    cells = f"document.querySelectorAll('#{table} tbody tr')"
    script = f"return [...{cells}].map((row) => row.cells[{number}].textContent)"
    return driver.execute_script(script)


@pytest.mark.parametrize("name", ["leaderboard", "compare", "report"])
def test_page_is_quiet_and_shows_names_as_written(chrome, pages, name):
    visit(chrome, pages[name])
    draw_all(chrome)
    assert chrome.get_log("browser") == []
    others = "performance.getEntriesByType('resource').filter((e) => !/^(data|blob):/.test(e.name))"
    assert chrome.execute_script(f"return {others}.map((e) => e.name)") == []
    # plotly would offer to upload charts.
    buttons = "[...document.querySelectorAll('.modebar-btn')].map((e) => e.dataset.title)"
    assert not [title for title in chrome.execute_script(f"return {buttons}") if "hare" in title]
    # Two elements of one id are what validators complain of first.
    ids = chrome.execute_script("return [...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    text = chrome.execute_script("return document.body.innerText")
    assert "verify <script>alert(2)</script>" in text
    assert "deep <b>" in text
    tags = "document.querySelectorAll('td b:not([style]), td i:not([style])').length"
    assert chrome.execute_script(f"return {tags}") == 0
    # The page's own scripts, and plotly.
    running = "[...document.scripts].filter((s) => !/json|plain/.test(s.type)).length"
    assert chrome.execute_script(f"return {running}") == (3 if name == "report" else 2)
    assert chrome.get_log("browser") == []


def test_names_in_charts_and_galleries_are_shown_as_written(chrome, pages):
    visit(chrome, pages["report"], fresh=False)
    draw_all(chrome)
    texts = chrome.execute_script(
        "return [...document.querySelectorAll('.plot text')].map((t) => t.textContent)"
    )
    assert any("deep <b>" in text for text in texts)
    assert any("<i>none</i>" in text for text in texts)
    assert ALERT in chrome.execute_script("return document.querySelector('.faces').innerText")
    assert chrome.execute_script("return document.querySelectorAll('.faces img').length") > 0


def test_every_kind_of_chart_is_drawn(chrome, pages):
    visit(chrome, pages["report"], fresh=False)
    draw_all(chrome)
    script = "return [...document.querySelectorAll('.chart')].map((f) => [f.dataset.chart, {}])"
    traces = "f.querySelector('.plot').data.map((t) => t.type)"
    drawn = {kind: set(types) for kind, types in chrome.execute_script(script.format(traces))}
    assert drawn == {
        "conditions": {"scatter"},
        "effect": {"scatter"},
        "heat": {"heatmap"},
        "profile": {"scatter"},
        "roc": {"scatter"},
        "det": {"scatter"},
        "histogram": {"bar"},
        "groups": {"heatmap"},
        "scatter": {"scatter"},
    }
    axes = "((l) => [l.xaxis.type, l.yaxis.type])(document.querySelector('{} .plot')._fullLayout)"
    for chart, y in (("roc", "linear"), ("det", "log")):
        found = chrome.execute_script(f"return {axes.format(f'[data-chart={chart}]')}")
        assert found == ["log", y]


def test_gallery_shows_the_hardest_pairs_of_each_model(chrome, pages):
    visit(chrome, pages["report"], fresh=False)
    draw_all(chrome)
    run = load_run(pages["run"])
    box = "document.querySelector('.gallery')"
    first = run.headline().iloc[0]
    chosen = f"{first['model']}: {first['layer']}"
    chrome.execute_script(
        f"const s = {box}.querySelector('select');"
        "s.value = [...s.options].findIndex((o) => o.textContent === arguments[0]);"
        "s.dispatchEvent(new Event('change'))",
        chosen,
    )
    frame = run.task_distances(first["model"], first["task"], [first["layer"]])
    same = frame[frame["same"] == 1]
    hardest = same.loc[same["model_computed_distance"].idxmax()]
    card = chrome.execute_script(f"return {box}.querySelector('.pair').innerText")
    assert [hardest["img1"], hardest["img2"]] == card.strip().splitlines()[:3:2]
    sizes = f"[...{box}.querySelectorAll('.pair img')].map((i) => i.naturalWidth)"
    assert all(size > 0 for size in wait(chrome, f"{sizes}.every(Boolean) && {sizes}"))


def test_slider_counts_what_is_accepted(chrome, pages):
    run = load_run(pages["run"])
    task = next(iter(run.tasks))
    # The first layer offered: the best one.
    first = run.headline().iloc[0]
    frame = run.task_distances(first["model"], task)
    frame = frame[frame["layer_name"] == first["layer"]]
    visit(chrome, pages["report"], fresh=False)
    draw_all(chrome)
    counts = "[...document.querySelectorAll('.counts tbody td')].map((td) => td.textContent)"
    before = chrome.execute_script(f"return {counts}")
    script = (
        "const s = document.querySelector('.threshold input'); s.value = {stop};"
        "s.dispatchEvent(new Event('input'))"
    )
    distances = frame["model_computed_distance"]
    for stop in (0, 90, 233, 400):
        chrome.execute_script(script.replace("{stop}", str(stop)))
        after = chrome.execute_script(f"return {counts}")
        low, high = distances.min(), distances.max()
        at = high if stop == 400 else low + stop * (high - low) / 400
        for row, same in enumerate((1, 0)):
            own = distances[frame["same"] == same]
            accepted = int((own <= at + 1e-12).sum())
            assert after[3 * row : 3 * row + 2] == [str(accepted), str(len(own) - accepted)]
    assert before != after
    line = "document.querySelector('[data-chart=histogram] .plot').layout.shapes[0].x0"
    assert chrome.execute_script(f"return {line}") == pytest.approx(distances.max(), abs=1e-3)


def test_face_card_follows_the_keyboard(chrome, pages):
    visit(chrome, pages["report"], fresh=False)
    draw_all(chrome)
    chrome.execute_script(
        "document.querySelector('[data-chart=scatter] .plot')"
        ".dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}))"
    )
    card = chrome.execute_script("return document.getElementById('face-card').innerHTML")
    assert card.count("<img") == 2
    assert "&lt;script&gt;" in card
    spoken = chrome.execute_script("return document.getElementById('spoken').textContent")
    assert ALERT in spoken


def test_mouse_shows_both_faces(chrome, pages):
    visit(chrome, pages["report"], fresh=False)
    draw_all(chrome)
    plot = chrome.find_element(By.CSS_SELECTOR, "[data-chart=scatter] .plot")
    chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot)
    points = plot.find_elements(By.CSS_SELECTOR, ".points path")
    ActionChains(chrome).move_to_element(points[0]).perform()
    wait(chrome, "!document.getElementById('face-card').hidden")
    card = chrome.find_element(By.ID, "face-card")
    assert len(card.find_elements(By.TAG_NAME, "img")) == 2
    assert "given" in card.text
    ActionChains(chrome).move_to_element(chrome.find_element(By.TAG_NAME, "h1")).perform()
    wait(chrome, "document.getElementById('face-card').hidden")


def test_keyboard_sorts_moves_the_threshold_and_hides_a_line(chrome, pages):
    visit(chrome, pages["report"])
    press = ActionChains(chrome)
    press.send_keys(Keys.TAB, Keys.ENTER).perform()
    assert chrome.execute_script("return document.activeElement.id") == "main"
    chrome.find_element(By.CSS_SELECTOR, "#headline summary").send_keys(Keys.ENTER)
    head = chrome.find_element(By.CSS_SELECTOR, "#headline-table th button")
    head.send_keys(Keys.ENTER)
    assert chrome.execute_script("return arguments[0].parentElement.ariaSort", head) == "ascending"
    slider = scroll_to(chrome, "histogram", ".threshold input")
    counts = "[...document.querySelectorAll('.counts tbody td')].map((td) => td.textContent)"
    slider.send_keys(Keys.HOME)
    nearest = chrome.execute_script(f"return {counts}")
    slider.send_keys(Keys.END)
    farthest = chrome.execute_script(f"return {counts}")
    assert nearest[2] != farthest[2] == "100.00 %"
    assert chrome.execute_script("return arguments[0].ariaValueText", slider).startswith("distance")
    line = scroll_to(chrome, "roc", ".key button")
    line.send_keys(Keys.SPACE)
    wait(chrome, "document.querySelector('[data-chart=roc] .plot').data[0].visible !== true")
    assert line.get_attribute("aria-pressed") == "false"


def test_link_leads_to_its_section_whatever_is_drawn_on_the_way(chrome, pages):
    for section in ("task-2", "health", "task-1"):
        visit(chrome, pages["report"])
        link = f"document.querySelector('nav a[href=\"#{section}\"]')"
        chrome.execute_script(f"{link}.click()")
        top = f"document.getElementById('{section}').getBoundingClientRect().top"
        end = "Math.abs(innerHeight + scrollY - document.documentElement.scrollHeight) < 2"
        wait(chrome, f"Math.abs({top}) < 40 || {end}")
        time.sleep(0.5)
        assert chrome.execute_script(f"return Math.abs({top}) < 40 || {end}"), section


@pytest.mark.parametrize("name", ["compare", "leaderboard", "report"])
def test_nothing_is_wider_than_paper(chrome, pages, name):
    # A4 upright, less Chromium's margins of a centimetre.
    size = {"width": 718, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    emulate = partial(chrome.execute_cdp_cmd, "Emulation.setEmulatedMedia")
    emulate({"media": "print"})
    visit(chrome, pages[name])
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= 718
    emulate({"media": ""})
    chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_page_prints_with_all_its_charts_and_none_of_its_controls(chrome, pages):
    visit(chrome, pages["report"])
    emulate = partial(chrome.execute_cdp_cmd, "Emulation.setEmulatedMedia")
    emulate({"media": "print"})
    wait(chrome, "document.querySelectorAll('.plot:not(.drawn)').length === 0")
    shown = "[...document.querySelectorAll('nav, .controls, .choose, #theme, .as-table')]"
    visible = f"{shown}.filter((e) => getComputedStyle(e).display !== 'none').length"
    assert chrome.execute_script(f"return {visible}") == 0
    paper = chrome.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(255, 255, 255)"
    printed = base64.b64decode(chrome.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert printed.startswith(b"%PDF")
    assert len(printed) > 100_000
    emulate({"media": ""})


def test_colours_change_and_charts_follow(chrome, pages):
    visit(chrome, pages["report"], fresh=False)
    draw_all(chrome)
    paint = "getComputedStyle(document.body).backgroundColor"
    ink = "document.querySelector('[data-chart=roc] .plot').layout.font.color"
    press = "document.getElementById('theme').click()"
    chrome.execute_script(press)
    light = chrome.execute_script(f"return [{paint}, {ink}]")
    chrome.execute_script(press)
    wait(chrome, f"{ink} !== '{light[1]}'")
    assert chrome.execute_script(f"return {paint}") != light[0]
    chrome.execute_script(press)


def luminance(colour):
    parts = [int(x) / 255 for x in re.findall(r"\d+", colour)[:3]]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return sum(weight * x for weight, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_contrast(chrome, pages, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    emulate = partial(chrome.execute_cdp_cmd, "Emulation.setEmulatedMedia")
    emulate({"features": features})
    visit(chrome, pages["report"], fresh=False)
    paper = chrome.execute_script("return getComputedStyle(document.body).backgroundColor")
    texts = "p, li, td, th, a, dt, dd, caption, figcaption, button, label"
    colours = f"[...document.querySelectorAll('{texts}')].map((e) => getComputedStyle(e).color)"
    for colour in set(chrome.execute_script(f"return {colours}")):
        bright, dim = sorted((luminance(colour) + 0.05, luminance(paper) + 0.05), reverse=True)
        assert bright / dim >= 4.5, colour
    emulate({"features": []})


def test_every_control_has_a_name_and_every_picture_a_text(chrome, pages):
    visit(chrome, pages["report"], fresh=False)
    draw_all(chrome)
    wanted = "input, select, button, img, [role=img], [role=region]"
    nameless = (
        f"[...document.querySelectorAll('{wanted}')].filter((e) => !(e.alt || e.ariaLabel"
        " || e.labels?.length || e.textContent.trim() || e.closest('.modebar')))"
        ".map((e) => e.outerHTML)"
    )
    assert chrome.execute_script(f"return {nameless}") == []
    untold = "document.querySelectorAll('table:not(:has(caption))').length"
    assert chrome.execute_script(f"return {untold}") == 0
    levels = chrome.execute_script(
        "return [...document.querySelectorAll('h1, h2, h3, h4')].map((h) => Number(h.tagName[1]))"
    )
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def open_headline(chrome):
    chrome.execute_script("document.querySelector('#headline details').open = true")


def test_table_sorts(chrome, pages):
    visit(chrome, pages["report"])
    open_headline(chrome)
    heads = chrome.execute_script(
        "return [...document.querySelectorAll('#headline-table th')].map((th) => th.innerText)"
    )
    place = next(i for i, head in enumerate(heads) if head.startswith("Value"))
    before = column(chrome, "headline-table", place)
    press = (
        f"document.querySelectorAll('#headline-table th')[{place}].querySelector('button').click()"
    )
    for order, reverse in (("descending", True), ("ascending", False)):
        chrome.execute_script(press)
        shown = chrome.execute_script(
            "return [...document.querySelectorAll('#headline-table td.score > span.number')]"
            ".map((one) => one.textContent)"
        )
        values = [float(x.replace("−", "-")) for x in shown]
        assert values == sorted(values, reverse=reverse)
        script = f"return document.querySelectorAll('#headline-table th')[{place}].ariaSort"
        assert chrome.execute_script(script) == order
    assert sorted(column(chrome, "headline-table", place)) == sorted(before)


def test_table_is_searched_filtered_and_shows_all_layers(chrome, pages):
    visit(chrome, pages["report"])
    open_headline(chrome)
    n_best = len(column(chrome, "headline-table", 0))
    search = "const s = document.querySelector('#headline-table input[type=search]');"
    chrome.execute_script(f"{search} s.value = 'PLAIN auc'; s.dispatchEvent(new Event('input'))")
    assert set(column(chrome, "headline-table", 1)) == {"AUC"}
    chrome.execute_script(f"{search} s.value = 'no such'; s.dispatchEvent(new Event('input'))")
    assert column(chrome, "headline-table", 0) == []
    chrome.execute_script(f"{search} s.value = ''; s.dispatchEvent(new Event('input'))")
    assert len(column(chrome, "headline-table", 0)) == n_best
    chrome.execute_script(
        "const t = document.querySelector('#headline-table select');"
        "t.value = 'rate'; t.dispatchEvent(new Event('change'))"
    )
    assert set(column(chrome, "headline-table", 0)) == {"rate"}
    chrome.execute_script("document.querySelector('#headline-table input[type=checkbox]').click()")
    assert len(column(chrome, "headline-table", 0)) == 6


def test_page_fits_a_phone(chrome, pages):
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for name in ("report", "compare", "leaderboard"):
        visit(chrome, pages[name])
        assert chrome.execute_script("return document.documentElement.scrollWidth") <= 390
    chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_axe_finds_nothing_serious(chrome, pages, tmp_path):
    source = axe_source(tmp_path)
    for name in ("leaderboard", "compare", "report"):
        visit(chrome, pages[name])
        draw_all(chrome)
        assert violations(chrome, source) == [], name


def test_a_line_tells_what_chance_is(pages, chrome):
    visit(chrome, pages["report"])
    draw_all(chrome)
    for chart, axis in (("conditions", "x"), ("profile", "y")):
        script = f"document.querySelector('[data-chart={chart}] .plot').layout.shapes[0]"
        line = chrome.execute_script(f"return {script}")
        # The AUC of a task of verification.
        assert line[f"{axis}0"] == line[f"{axis}1"] == 0.5
        assert line["name"] == "chance: 0.5"
