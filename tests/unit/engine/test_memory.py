"""What room there is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from facebench.engine.memory import _glibc, free_disk, keeping_freed_memory, peak_memory


def test_a_folder_yet_to_be_made_has_the_room_of_where_it_will_be(tmp_path: Path) -> None:
    assert free_disk(tmp_path / "not" / "yet") == pytest.approx(free_disk(tmp_path), rel=0.05)


def test_the_peak_is_never_below_what_is_held() -> None:
    held = bytearray(b"x" * 2**20)
    assert peak_memory() > len(held)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
class TestKeepingFreedMemory:
    def test_what_is_freed_is_used_again(self) -> None:
        resource = pytest.importorskip("resource")
        if _glibc() is None:
            pytest.skip("Another allocator, or one that the environment sets.")
        n_faults = []
        with keeping_freed_memory(2**28):
            for _ in range(8):
                before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
                blocks = [torch.ones(2**22) for _ in range(4)]  # 64 MiB, 16,384 pages
                n_faults.append(resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before)
                del blocks
        assert n_faults[-1] < 800

    @pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"])
    def test_a_users_setting_stays(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(name, "1")
        assert _glibc() is None
