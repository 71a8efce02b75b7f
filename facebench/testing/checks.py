"""A check: one sentence of a contract, and how to find out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from typing_extensions import override

from facebench.errors import ContractError

__all__ = ["Check", "demand", "raises"]

C = TypeVar("C")


class Check(Generic[C]):
    """One sentence of a contract.

    Parameters
    ----------
    function : callable
        Takes a case and raises ContractError where the sentence does not hold.
    """

    def __init__(self, function: Callable[[C], None]) -> None:
        self._function = function

    def __call__(self, case: C) -> None:
        """Find out; what the subject itself raises is told as a break of the contract."""
        try:
            self._function(case)
        except ContractError:
            raise
        except Exception as error:
            msg = f"it raised {type(error).__name__}: {error}"
            raise ContractError(msg) from error

    @override
    def __str__(self) -> str:
        return self._function.__name__.strip("_").replace("_", " ")

    @override
    def __repr__(self) -> str:
        return f"Check({str(self)!r})"


def demand(holds: bool, otherwise: str) -> None:
    """Raise ContractError with a sentence unless something holds."""
    if not holds:
        raise ContractError(otherwise)


def raises(
    kind: type[Exception] | tuple[type[Exception], ...], call: Callable[[], Any], what: str
) -> Exception:
    """Check that a call raises an error of some kind, and give it."""
    named = kind[0].__name__ if isinstance(kind, tuple) else kind.__name__
    try:
        call()
    except kind as error:
        return error
    except Exception as error:
        msg = f"{what} must raise {named}, but raised {type(error).__name__}: {error}"
        raise ContractError(msg) from error
    msg = f"{what} must raise {named}, but was accepted"
    raise ContractError(msg)
