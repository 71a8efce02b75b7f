"""The contract checks: a good plug-in passes, each way to break the contract is told."""

from pathlib import Path

import numpy as np
import pytest

from facebench import EmbeddingsModel
from facebench.errors import ContractError
from facebench.testing import check_model
from support.small_net import SmallNet


def test_an_instance_is_no_class() -> None:

    with pytest.raises(ContractError, match=r"check_model\(SmallNet\).*Got an existing SmallNet"):
        check_model(SmallNet("net"))  # type: ignore[arg-type]


def test_a_file_of_embeddings_is_refused_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "x.npz"
    np.savez(file, names=np.array(["a.png", "b.png"]), embeddings=np.eye(2, dtype=np.float32))
    made = EmbeddingsModel("x", file)
    for subject in (EmbeddingsModel, made, lambda _layers: made):
        with pytest.raises(ContractError, match=r"^check_model checks networks") as error:
            check_model(subject)  # type: ignore[arg-type]
        assert "\n" not in str(error.value)
