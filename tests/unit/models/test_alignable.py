"""Telling a model how to align: what is refused, and that nothing stays behind."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from facebench import DlibResNetModel
from facebench.errors import InputError
from facebench.faces.detection import Face
from facebench.models.aligning import AligningModel
from support.small_net import SmallNet, small_transform


class Left:
    """Finds a face in the left half of every image but black ones."""

    name, identity, box_kind, longest_side = "left", "left 1", "whole", 640

    def __call__(self, image):
        height, width = image.shape[:2]
        return [Face((0, 0, width / 2, height), 1.0)] if image.max() else []


def halves():
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, :40], image[:, 40:] = (250, 10, 10), (10, 10, 250)
    return Image.fromarray(image)


def net():
    return SmallNet("net", preprocess_function=small_transform, device="cpu")


def test_the_preprocessing_gets_the_chip_and_failures_are_noted(tmp_path):
    model = net().set_alignment("vgg224", detector=Left())
    tensor = model.preprocess(halves())
    assert tensor[0, 12, 12] > 0.9
    assert tensor[2, 12, 12] < 0.1
    assert model.take_image_notes() == []
    halves().save(tmp_path / "a.png")
    np.testing.assert_array_equal(model.preprocess_image(tmp_path / "a.png"), tensor)
    model.preprocess(Image.new("RGB", (30, 30)))
    assert model.take_image_notes() == ["no face found"]
    assert "_path_in_work" not in vars(model)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P"])
def test_images_of_any_kind_are_decoded_as_everywhere(tmp_path, mode):
    path = tmp_path / "a.png"
    halves().convert(mode).save(path)
    model = net().set_alignment("facenet160", detector=Left())
    turned, exif = tmp_path / "turned.tif", Image.Exif()
    exif[0x0112] = 6
    halves().rotate(90, expand=True).save(turned, exif=exif)
    assert model.preprocess_image(path).shape == (3, 24, 24)
    np.testing.assert_allclose(
        model.preprocess_image(turned), model.preprocess(halves()), atol=1e-6
    )


def test_false_and_none_leave_nothing_behind():
    model, before = net(), vars(net()).keys()
    for align in (False, None, "none"):
        model.set_alignment("vgg224", detector=Left(), which_face="column face")
        assert model.face_alignment["hint_column"] == "face"
        assert model.set_alignment(align) is model
        assert vars(model).keys() - {"on_no_face"} == before
        assert model.face_alignment is None
    # A name that is wrong changes nothing.
    model.set_alignment("vgg224", detector=Left())
    with pytest.raises(InputError):
        model.set_alignment("dlib150", detector="no such")
    assert model.face_alignment["template"] == "vgg224"


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match=r"SmallNet says no template.*arcface112"):
        net().set_alignment()
    with pytest.raises(InputError, match="'on_no_face' parameter must be one of"):
        net().set_alignment("vgg224", on_no_face="drop")

    class Reads(SmallNet):
        def preprocess(self, image):
            return small_transform(image)

    with pytest.raises(InputError, match="Reads reads or preprocesses images itself"):
        Reads("reads", device="cpu").set_alignment("vgg224")
    assert Reads("reads", device="cpu").set_alignment(False).face_alignment is None


def test_models_that_always_aligned_may_read_images_themselves():
    class Reads(DlibResNetModel):
        def preprocess_image(self, image_path):
            return super().preprocess_image(image_path)

    assert isinstance(Reads(pretrained=False, device="cpu"), AligningModel)


@pytest.mark.slow
def test_dlibs_model_takes_other_detectors_and_templates():
    def model(**options):
        return DlibResNetModel(pretrained=False, device="cpu", **options)

    assert model().alignment_key == model(which_face="centre").alignment_key == []
    assert model(align=False).alignment_key == model(align="none").alignment_key == []
    assert model(align="dlib150").alignment_key == []
    assert model(align="dlib150").aligns_by_default
    assert model(detector="dlib-cnn").alignment_key[2].startswith("dlib-cnn-1")
    other = model().set_alignment("arcface112", detector=Left())
    assert other.preprocess(halves()).shape == (3, 150, 150)
    assert other.alignment["template"] == "arcface112"
    with other.without_alignment():
        assert other.alignment is None
        assert other.alignment_key == []
