"""What git is asked, and that a stranger's repository cannot make it run a program."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from facebench.results.provenance import Digests, git_state

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "pairs.csv").write_text("img1,img2\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "x")
    return folder


def git(folder, *words):
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)
    return done.stdout.decode().strip()


@pytest.mark.parametrize("packed", [False, True])
def test_commit_branch_and_changes_are_told(repository, packed):
    if packed:
        git(repository, "pack-refs", "--all")
    head = git(repository, "rev-parse", "HEAD")
    (repository / "deeper").mkdir()
    state = {"commit": head, "branch": "main", "changed": False}
    assert git_state(repository) == git_state(repository / "deeper") == state
    (repository / "new.csv").touch()
    assert git_state(repository)["changed"] is False
    (repository / "pairs.csv").write_text("img1,img2,same\n")
    assert git_state(repository)["changed"] is True
    git(repository, "add", ".")
    assert git_state(repository)["changed"] is True
    git(repository, "commit", "-qm", "y")
    git(repository, "checkout", "-q", head)
    assert git_state(repository) == {"commit": head, "branch": "HEAD", "changed": False}


def test_of_a_linked_work_tree(repository, tmp_path):
    git(repository, "worktree", "add", "-q", str(tmp_path / "other"), "-b", "topic")
    head = git(repository, "rev-parse", "HEAD")
    assert git_state(tmp_path / "other") == {"commit": head, "branch": "topic", "changed": False}


def test_outside_of_git_there_is_none(tmp_path):
    assert git_state(tmp_path) is None


@pytest.mark.parametrize("how", ["core.fsmonitor", "filter.f.clean", "hook", "diff.external"])
def test_a_repository_s_own_configuration_runs_nothing(repository, tmp_path, how):
    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {ran}\ncat\n")
    program.chmod(0o755)
    if how == "hook":
        shutil.copy(program, repository / ".git" / "hooks" / "post-index-change")
    else:
        git(repository, "config", how, str(program))
        (repository / ".git" / "info").mkdir(exist_ok=True)
        (repository / ".gitattributes").write_text("* filter=f\n")
    (repository / "pairs.csv").write_text("1234,5678\n")
    assert git_state(repository)["changed"] is True
    assert not ran.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.timeout(60)
def test_a_pipe_has_no_digest(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert Digests().of_file(tmp_path / "pipe") is None
