"""One exception tree, in which every class is also what a caller would expect."""

from __future__ import annotations

import copy
import pickle

import pytest

from facebench import errors
from facebench.errors import FacebenchError, RunFailedError, UnknownNameError

CLASSES = [getattr(errors, name) for name in errors.__all__]
PROMISES = {
    "InputError": (ValueError,),
    "PairsError": (errors.InputError, ValueError),
    "MissingPairsFileError": (errors.PairsError, FileNotFoundError, ValueError),
    "ImageError": (errors.InputError, ValueError),
    "MissingImageError": (errors.ImageError, FileNotFoundError, ValueError),
    "MetricError": (errors.InputError, ValueError),
    "StimulusError": (errors.InputError, ValueError),
    "ConfigError": (errors.InputError, ValueError),
    "ContractError": (errors.FacebenchError, AssertionError),
    "RunFolderError": (errors.InputError, ValueError),
    "DuplicateNameError": (errors.InputError, ValueError),
    "UnknownNameError": (KeyError,),
    "ModelError": (ValueError,),
    "LayerOutputError": (errors.ModelError, ValueError),
    "WeightsError": (errors.ModelError, ValueError),
    "MissingWeightsError": (errors.WeightsError, FileNotFoundError),
    "StoreError": (OSError,),
    "RunFailedError": (RuntimeError,),
}
SENTENCE = "The 'p' parameter of X must be 0 or more. Got -1 instead."


def an_instance(kind: type[FacebenchError]) -> FacebenchError:
    if kind is RunFailedError:
        return RunFailedError(SENTENCE, (("vgg / LFW", ValueError("why")),))
    return kind(SENTENCE)


def test_every_class_of_the_module_is_public() -> None:
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, BaseException)
    }
    assert defined == set(errors.__all__)


def test_every_class_has_its_promise_in_this_file() -> None:
    assert set(PROMISES) == set(errors.__all__) - {"FacebenchError"}


@pytest.mark.parametrize("name", sorted(PROMISES))
def test_a_class_is_a_facebench_error_and_the_promised_built_in(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, FacebenchError)
    for promised in PROMISES[name]:
        with pytest.raises(promised):
            raise an_instance(kind)


def test_a_user_interrupt_is_no_facebench_error() -> None:
    assert not issubclass(KeyboardInterrupt, FacebenchError)
    assert not issubclass(FacebenchError, OSError | ValueError | KeyError)


@pytest.mark.parametrize("kind", CLASSES)
def test_the_message_reads_as_it_was_written(kind: type[FacebenchError]) -> None:
    assert str(an_instance(kind)) == SENTENCE


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("way", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
def test_an_error_survives_pickling_and_copying(kind: type[FacebenchError], way) -> None:
    returned = way(an_instance(kind))
    assert type(returned) is kind
    assert str(returned) == SENTENCE


def test_a_pickled_run_failure_keeps_what_failed() -> None:
    returned = pickle.loads(pickle.dumps(an_instance(RunFailedError)))
    [(where, why)] = returned.failures
    assert where == "vgg / LFW"
    assert isinstance(why, ValueError)
    assert str(why) == "why"


def test_an_unknown_name_without_message_prints_nothing() -> None:
    assert str(UnknownNameError()) == ""


@pytest.mark.parametrize("kind", CLASSES)
def test_every_class_says_when_it_is_raised(kind: type[FacebenchError]) -> None:
    assert kind.__doc__
    assert kind.__name__ in errors.__doc__
