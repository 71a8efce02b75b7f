"""How many people: against Monte Carlo, a run's own numbers, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from facebench import load_run
from facebench.cli import app
from facebench.errors import InputError
from facebench.metrics.uncertainty.power import (
    expected_error,
    image_share,
    power_of_t_test,
)
from facebench.results.power import known_to, power
from facebench.results.report.run_page import write_report
from facebench.results.run_folder import RunFolder
from support.every_task import N_PEOPLE, N_PHOTOGRAPHS, every_manager, make_tasks, write_world


@pytest.fixture(scope="module")
def pilot(tmp_path_factory):
    faces = write_world(tmp_path_factory.mktemp("faces"))
    every = make_tasks(faces)
    tasks = {name: every[name] for name in ("verification", "effect", "accuracy")}
    root = tmp_path_factory.mktemp("runs")
    return RunFolder.create(root, "pilot").save(every_manager(faces, tasks))


def test_power_of_a_t_test_against_monte_carlo() -> None:
    rng = np.random.default_rng(0)
    sample = rng.normal(0.5, 1, (20_000, 20))
    statistic = sample.mean(axis=1) / sample.std(axis=1, ddof=1) * 20**0.5
    found = np.mean(np.abs(statistic) > 2.093)
    assert power_of_t_test(0.5, 20**-0.5, 20) == pytest.approx(found, abs=0.01)
    assert power_of_t_test(0.0, 1.0, 12) == pytest.approx(0.05, abs=1e-6)
    assert np.isnan(power_of_t_test(1.0, 0.0, 12))


@pytest.mark.parametrize(("people", "images"), [(1.0, 0.0), (0.5, 1.0), (0.0, 1.0)])
def test_more_images_against_a_known_variance(people: float, images: float) -> None:
    rng = np.random.default_rng(1)
    n, m = 400, 4
    image = np.arange(n * m)
    values = people * rng.normal(size=n)[image // m] + images * rng.normal(size=n * m)
    share = image_share(values / values.size, (image // m, image // m), (image, image))
    expected = images**2 / m / (people**2 + images**2 / m)
    assert share.share == pytest.approx(expected, abs=0.12)
    error = ((people**2 + images**2 / m) / n) ** 0.5
    more = ((people**2 + images**2 / 16) / 900) ** 0.5
    assert expected_error(error, n, 900, share, 16) == pytest.approx(more, rel=0.2)


@pytest.mark.slow
def test_of_a_run(pilot) -> None:
    run = load_run(pilot)
    found = power(run, [N_PEOPLE, 48, 480])
    assert {"verification", "effect", "accuracy"} == set(found["Task"])
    area = found[(found["Task"] == "verification") & (found["Measure"] == "AUC")]
    row = run.headline().query("task == 'verification' and metric == 'AUC'").iloc[0]
    # As many people as the pilot had: the pilot's own interval.
    assert area["Half Width"].iloc[0] == pytest.approx((row["ci_high"] - row["ci_low"]) / 2)
    assert (area["Half Width"].diff().dropna() < 0).all()
    assert area["Half Width"].iloc[2] == pytest.approx(
        area["Half Width"].iloc[1] / 10**0.5, rel=0.05
    )
    assert (area["Power"].diff().dropna() > 0).all()
    assert area["Images Per Person"].iloc[0] == pytest.approx(N_PHOTOGRAPHS)
    assert set(area["Versus"]) <= set(run.models)
    more = power(run, [48], [N_PHOTOGRAPHS, 40], difference=0.1)
    widths = more[more["Measure"] == "AUC"].groupby("Images Per Person")["Half Width"].first()
    assert widths.iloc[1] < widths.iloc[0]
    assert set(more["Difference"]) == {0.1}


@pytest.mark.slow
def test_a_sentence_for_the_report(pilot, tmp_path) -> None:
    rows = load_run(pilot).headline().query("task == 'verification' and metric == 'AUC'")
    sentence = known_to(rows)
    assert sentence.startswith(f"With {N_PEOPLE} people, AUC is known to ±0.")
    assert sentence in write_report(pilot, tmp_path / "page.html").read_text(encoding="utf-8")
    assert known_to(rows.assign(n_identities=2)) == ""


@pytest.mark.slow
def test_the_command(pilot, tmp_path) -> None:
    arguments = ["power", str(pilot), "--people", "12,100", "-o", str(tmp_path / "p.png")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "Half Width" in result.output
    assert (tmp_path / "p.png").stat().st_size > 10_000
    found = CliRunner().invoke(app, [*arguments, "--json"])
    assert {row["People"] for row in json.loads(found.stdout)["power"]} == {12, 100}
    wrong = CliRunner().invoke(app, ["power", str(pilot), "--people", "many"])
    assert wrong.exit_code == 2
    assert "--people must be whole numbers" in wrong.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"people": [2]}, "'people' parameter of power"),
        ({"people": [10.5]}, "'people' parameter of power"),
        ({"images": [0]}, "'images' parameter of power"),
        ({"difference": 0}, "'difference' parameter of power"),
        ({"difference": np.nan}, "'difference' parameter of power"),
    ],
)
def test_what_is_refused(pilot, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        power(pilot, **options)
