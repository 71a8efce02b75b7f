"""Progress: a bar on a terminal, a line now and then in a log, and never anything on stdout."""

from __future__ import annotations

import io
import logging
import re
import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from facebench.utils.progress import Progress, bars_shown, without_bars


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stop the time: clock.now is moved by hand."""
    clock = SimpleNamespace(now=100.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr("facebench.utils.progress.time", clock)
    return clock


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Replace stderr; not in a fixture, because pytest takes stderr back after the setup."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("CI", raising=False)
    return terminal


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture, clock: SimpleNamespace) -> Callable[[], list[str]]:
    """Return a function that gives the lines logged so far."""
    caplog.set_level(logging.INFO, logger="facebench.utils.progress")
    return lambda: [record.getMessage() for record in caplog.records]


def fail_midway() -> None:
    with Progress("vgg16", 10) as progress:
        progress.advance(5)
        raise ValueError("broken")


class TestLog:
    def test_short_runs_log_one_line_at_the_end(
        self, clock: SimpleNamespace, lines: Callable
    ) -> None:
        with Progress("vgg16", 30) as progress:
            for _ in range(3):
                clock.now += 2
                progress.advance(10)
        assert lines() == ["vgg16: 30 images, 5.0 images/s."]

    def test_long_runs_log_every_ten_seconds(self, clock: SimpleNamespace, lines: Callable) -> None:
        with Progress("vgg16", 100) as progress:
            for _ in range(25):
                clock.now += 1
                progress.advance(4)
        assert lines() == [
            "vgg16: 40 of 100 images, 4.0 images/s, about 15 s left.",
            "vgg16: 80 of 100 images, 4.0 images/s, about 5.0 s left.",
            "vgg16: 100 images, 4.0 images/s.",
        ]

    def test_a_failed_run_does_not_report_an_end(
        self, clock: SimpleNamespace, lines: Callable
    ) -> None:
        with pytest.raises(ValueError, match="broken"):
            fail_midway()
        assert lines() == []

    def test_nothing_to_do_is_no_news(self, lines: Callable) -> None:
        with Progress("vgg16", 0):
            pass
        assert lines() == []

    def test_no_time_at_all_is_no_division_by_zero(
        self, clock: SimpleNamespace, lines: Callable
    ) -> None:
        with Progress("vgg16", 5) as progress:
            progress.advance(5)
        assert len(lines()) == 1

    def test_nothing_is_printed(self, capfd: pytest.CaptureFixture[str]) -> None:
        with Progress("vgg16", 5) as progress:
            progress.advance(5)
        assert capfd.readouterr() == ("", "")


class TestTerminal:
    def test_a_bar_counts_to_the_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        terminal = on_terminal(monkeypatch)
        with Progress("vgg16", 30) as progress:
            progress.advance(10)
            progress.advance(20)
        text = terminal.getvalue()
        assert "vgg16" in text
        assert "30/30" in text
        assert "images/s" in text

    def test_no_bars_where_they_are_not_wanted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        terminal = on_terminal(monkeypatch)
        with bars_shown(False), Progress("vgg16", 3) as progress:
            progress.advance(3)
        assert terminal.getvalue() == ""
        with Progress("vgg16", 3) as progress:
            progress.advance(3)
        assert "3/3" in terminal.getvalue()

    def test_nothing_goes_to_stdout(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        on_terminal(monkeypatch)
        with Progress("vgg16", 3) as progress:
            progress.advance(3)
        assert capsys.readouterr().out == ""

    def test_the_bar_is_taken_down_after_a_failure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        terminal = on_terminal(monkeypatch)
        with pytest.raises(ValueError, match="broken"):
            fail_midway()
        # Its line is erased, and the cursor shown again.
        assert terminal.getvalue().endswith("\r\x1b[2K\x1b[?25h\r")

    def test_lines_of_any_logging_appear_above_the_bar(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        terminal = on_terminal(monkeypatch)
        own = logging.StreamHandler(terminal)
        logging.getLogger().addHandler(own)
        try:
            with Progress("vgg16", 3) as progress:
                progress.advance(1)
                logging.getLogger("mine").error("a line of my own")
                assert own.stream is sys.stderr is not terminal
        finally:
            logging.getLogger().removeHandler(own)
        assert own.stream is sys.stderr is terminal
        # The line of the bar is erased before the line of the log is written.
        before, _, after = terminal.getvalue().partition("a line of my own")
        assert before.endswith("\x1b[2K")
        assert after.startswith("\n")

    def test_bars_of_one_moment_share_a_display(self, monkeypatch: pytest.MonkeyPatch) -> None:
        terminal = on_terminal(monkeypatch)
        with Progress("outer", 3) as outer, Progress("inner", 5) as inner:
            outer.advance(1)
            inner.advance(5)
        text = terminal.getvalue()
        assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
        assert re.search(r"outer .*1/3.*\n.*inner .*5/5", text)

    def test_what_is_for_the_screen_only_is_named_and_not_logged(
        self, monkeypatch: pytest.MonkeyPatch, lines: Callable[[], list[str]]
    ) -> None:
        terminal = on_terminal(monkeypatch)
        with Progress("Loading", 2, "models", logged=False) as progress:
            progress.begin("Loading vgg16")
            progress.advance(1)
        assert "Loading vgg16" in terminal.getvalue()
        assert "models/s" not in terminal.getvalue()
        assert lines() == []

    def test_bars_leave_the_screen_to_a_download(self, monkeypatch: pytest.MonkeyPatch) -> None:
        terminal = on_terminal(monkeypatch)
        with without_bars(), Progress("vgg16", 3) as progress:
            with without_bars():
                assert sys.stderr is terminal
                before = terminal.getvalue()
                progress.advance(1)
                assert terminal.getvalue() == before
            assert sys.stderr is not terminal
        assert "1/3" in terminal.getvalue()

    def test_what_is_printed_to_a_pipe_goes_there(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        terminal = on_terminal(monkeypatch)
        with Progress("vgg16", 3) as progress:
            progress.advance(3)
            sys.stdout.write("a result\n")
        assert capsys.readouterr().out == "a result\n"
        assert "a result" not in terminal.getvalue()

    @pytest.mark.parametrize(("name", "value"), [("CI", "true"), ("TERM", "dumb")])
    def test_logs_of_servers_get_lines_and_no_bar(
        self,
        monkeypatch: pytest.MonkeyPatch,
        lines: Callable[[], list[str]],
        name: str,
        value: str,
    ) -> None:
        terminal = on_terminal(monkeypatch)
        monkeypatch.setenv(name, value)
        with Progress("vgg16", 3) as progress:
            progress.advance(3)
        assert terminal.getvalue() == ""
        assert len(lines()) == 1

    def test_a_narrow_terminal_keeps_the_numbers_on_one_line(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        terminal = on_terminal(monkeypatch)
        monkeypatch.setenv("COLUMNS", "45")
        with Progress("a-model-with-a-very-long-name-of-its-own", 3) as progress:
            progress.advance(3)
        shown = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in
                 re.split(r"[\r\n]", terminal.getvalue())]  # fmt: skip
        # An interrupt's ^C is written behind the bar: if it wraps, the bar cannot be erased.
        assert max(map(len, shown)) <= 42
        assert any(line.startswith("a-model-w") and "3/3" in line for line in shown)

    @pytest.mark.parametrize("title", ["dino[base]", "vgg [16]", "a[/red]", "[bold]b", "100%{x}"])
    def test_a_name_is_shown_as_it_is(self, monkeypatch: pytest.MonkeyPatch, title: str) -> None:
        terminal = on_terminal(monkeypatch)
        with Progress(title, 3) as progress:
            progress.advance(3)
        assert title in terminal.getvalue()
