"""The contract checks: a good plug-in passes, each way to break the contract is told."""

import pytest

from facebench.errors import ContractError
from facebench.testing import check_model
from support.small_net import SmallNet


def test_an_instance_is_no_class() -> None:

    with pytest.raises(ContractError, match=r"check_model\(SmallNet\).*made already"):
        check_model(SmallNet("net"))  # type: ignore[arg-type]
