"""Published face networks: what their weight files look like, and how their images are prepared.

One table. `facebench.models.recipe_model` makes a model of every row, `recipe_matching` recognises
whose weights a file holds, and docs/models.md is written from it. Nothing here imports torch.

Numbers and licences are those of the source that the row names. A digest is given only where the
source states one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

__all__ = ["RECIPES", "Recipe"]


@dataclass(frozen=True)
class Recipe:
    """One network with published weights.

    Attributes
    ----------
    name : str
        What it is called in a configuration.
    what : str
        One sentence.
    network : str
        ``module:function`` of `facebench.models.architectures`, which builds it.
    options : mapping
        Arguments of that function.
    input : mapping
        As for `network_input`.
    template : str
        How faces are aligned.
    layer : str
        The layer whose output is the embedding.
    marker : str
        A key of the network, by which it is found in a file; what stands before it is a prefix.
    prefixes : tuple of str
        What published files put before the network's keys, apart from 'module.'.
    beside : str
        A key that published files hold beside the network.
    head : tuple of str
        How the keys of layers begin that belong to training.
    classes : tuple of (str, int), optional
        The tensor, and its axis, that has an entry for every identity of the training.
    n_classes : tuple of int
        How many identities published weights were trained on, where that tells them from others.
    other_classes : mapping of int to str
        Numbers of classes by which weights of another network are told, and which that is.
    ones : str
        A tensor that training never changes from 1.
    width : str
        The tensor that has a row for every number of the embedding, where that varies.
    keys : str
        ``module:MAPPING`` of `facebench.models.architectures`: published keys → the network's.
    alike : tuple of str
        Recipes with the same keys and shapes that differ in what these do not show.
    taken_for : tuple of str
        Classes of other libraries with the same keys and shapes that compute something else, or
        are given other images.
    source, licence, sha256, published, protocol : str
        Where the weights are, and on which terms; digest of the file; numbers, and what they are.
    any_size : bool
        Whether the network takes images of any size.
    extra : str
        The extra of facebench that it needs.
    citations : tuple of str
        Keys of facebench's references.
    """

    name: str
    what: str
    network: str
    input: Mapping[str, Any]
    template: str
    layer: str
    marker: str
    options: Mapping[str, Any] = field(default_factory=dict)
    prefixes: tuple[str, ...] = ("",)
    beside: str = ""
    head: tuple[str, ...] = ()
    classes: tuple[str, int] | None = None
    n_classes: tuple[int, ...] = ()
    other_classes: Mapping[int, str] = field(default_factory=dict)
    ones: str = ""
    width: str = ""
    keys: str = ""
    alike: tuple[str, ...] = ()
    taken_for: tuple[str, ...] = ()
    source: str = ""
    licence: str = "see there"
    sha256: str = ""
    published: str = ""
    protocol: str = ""
    any_size: bool = False
    extra: str = ""
    citations: tuple[str, ...] = ()


_RGB = {"size": 112, "channels": "rgb", "mean": 0.5, "std": 0.5}
_BGR = {**_RGB, "channels": "bgr"}
_TEN_FOLDS = "accuracy, 10 folds"
_IJBC = "IJB-C, TAR at FAR 1e-4"

_ADAFACE = Recipe(
    name="adaface",
    what="AdaFace",
    network="ir:ir",
    input=_BGR,
    template="arcface112",
    layer="output_layer",
    marker="output_layer.3.weight",
    prefixes=("model.",),
    beside="head.kernel",
    classes=("head.kernel", 1),
    source="https://github.com/mk-minchul/AdaFace",
    citations=("kim2022adaface",),
    protocol=_TEN_FOLDS,
)
_CVLFACE = replace(
    _ADAFACE,
    name="cvlface",
    what="CVLFace",
    input=_RGB,
    prefixes=("net.", "model.net."),
    beside="",
    classes=None,
    source="https://github.com/mk-minchul/CVLface",
    licence="MIT",
)
_IR = replace(
    _CVLFACE,
    name="ir",
    what="face.evoLVe",
    prefixes=("",),
    source="https://github.com/ZhaoJ9014/face.evoLVe",
    citations=("wang2022faceevolve",),
    protocol="",
)
_IR_SE = replace(
    _IR,
    name="ir-se",
    what="TreB1eN",
    # Its training images are stored with red and blue exchanged, see data/data_pipe.py there.
    input=_BGR,
    source="https://github.com/TreB1eN/InsightFace_Pytorch",
    citations=("deng2019arcface",),
)
_IRESNET = Recipe(
    name="iresnet",
    what="insightface",
    network="iresnet:iresnet",
    input=_RGB,
    template="arcface112",
    layer="features",
    marker="features.running_mean",
    prefixes=("", "backbone."),
    ones="features.weight",
    width="features.weight",
    source="https://github.com/deepinsight/insightface/tree/master/recognition/arcface_torch",
    licence="non-commercial research",
    protocol=_IJBC,
    citations=("deng2019arcface", "an2021partialfc"),
)
_MAGFACE = replace(
    _IRESNET,
    name="magface",
    what="MagFace",
    input={"size": 112, "channels": "bgr", "mean": 0, "std": 1},
    prefixes=("features.",),
    ones="",
    source="https://github.com/IrvingMeng/MagFace",
    citations=("meng2021magface",),
    licence="MIT",
    protocol="",
)
_VGGFACE2 = Recipe(
    name="vggface2",
    what="VGGFace2",
    network="vggface2:vggface2_resnet50",
    input={
        "size": 224,
        "resize": 256,
        "channels": "bgr",
        "max_value": 255,
        "mean": (91.4953, 103.8827, 131.0912),
        "std": 1,
    },
    template="vgg224",
    layer="avgpool",
    marker="layer4.2.conv3.weight",
    head=("fc.",),
    classes=("fc.weight", 0),
    n_classes=(8631,),
    any_size=True,
    source="https://github.com/cydonia999/VGGFace2-pytorch (from the authors' Caffe models)",
    protocol="IJB-B, TAR at FAR 0.01, pretrained on MS-Celeb-1M; github.com/ox-vgg/vgg_face2",
    citations=("cao2018vggface2", "he2016resnet"),
)
_EDGEFACE = Recipe(
    name="edgeface",
    what="EdgeFace",
    network="edgeface:edgeface",
    input=_RGB,
    template="arcface112",
    layer="head",
    marker="stem.0.weight",
    prefixes=("model.",),
    source="https://github.com/otroshi/edgeface",
    licence="BSD-3-Clause",
    protocol=_TEN_FOLDS,
    any_size=True,
    taken_for=("timm.models.edgenext.EdgeNeXt",),
    extra="timm",
    citations=("george2024edgeface", "wightman2019timm"),
)


def _adaface(name: str, depth: int, published: str, *, se: bool = False) -> Recipe:
    kind = "IR-SE" if se else "IR"
    return replace(
        _ADAFACE,
        name=f"adaface-{name}",
        what=f"AdaFace's {kind}-{name.removeprefix('ir').removeprefix('-se')}",
        options={"depth": depth, "middle_norm": True, "se": se, "output": "unit and norm"},
        alike=(f"cvlface-{name}",) if not se else (),
        published=published,
        protocol=_TEN_FOLDS if published else "",
    )


def _cvlface(name: str, depth: int, published: str) -> Recipe:
    return replace(
        _CVLFACE,
        name=f"cvlface-{name}",
        what=f"CVLFace's IR-{name.removeprefix('ir')} (AdaFace or ArcFace loss)",
        options={"depth": depth, "middle_norm": True},
        alike=(f"adaface-{name}",),
        published=published,
    )


def _ir(name: str, depth: int) -> Recipe:
    return replace(
        _IR,
        name=name,
        what=f"face.evoLVe's IR-{name.removeprefix('ir')}",
        options={"depth": depth, "middle_norm": False},
    )


def _ir_se(name: str, depth: int, published: str = "") -> Recipe:
    return replace(
        _IR_SE,
        name=name,
        what=f"IR-SE-{name.removeprefix('ir-se')} of InsightFace_Pytorch",
        options={"depth": depth, "middle_norm": False, "se": True, "output": "unit"},
        published=published,
        protocol=_TEN_FOLDS if published else "",
    )


def _iresnet(depth: int, published: str) -> Recipe:
    return replace(
        _IRESNET,
        name=f"iresnet{depth}",
        what=f"insightface's IResNet-{depth} (ArcFace, Partial FC)",
        options={"depth": depth},
        alike=(f"magface-iresnet{depth}",) if depth in (18, 50, 100) else (),
        published=published,
        protocol=_IJBC if published else "",
    )


def _magface(depth: int) -> Recipe:
    return replace(
        _MAGFACE,
        name=f"magface-iresnet{depth}",
        what=f"MagFace's IResNet-{depth}; the length of an embedding measures quality",
        options={"depth": depth, "eps": 2e-5},
        alike=(f"iresnet{depth}",),
    )


def _edgeface(name: str, variant: str, gamma: float | None, published: str) -> Recipe:
    return replace(
        _EDGEFACE,
        name=f"edgeface-{name}",
        what=f"EdgeFace, {variant} of timm{'' if gamma is None else ', low rank'}",
        options={"variant": variant, "gamma": gamma},
        published=published,
    )


_ALL = (
    _adaface("ir18", 18, "LFW 99.53 (WebFace4M)"),
    _adaface("ir50", 50, "LFW 99.82 (MS1MV2)"),
    _adaface("ir101", 100, "LFW 99.82 (WebFace12M)"),
    _adaface("ir-se50", 50, "", se=True),
    _adaface("ir-se101", 100, "", se=True),
    _cvlface("ir18", 18, "LFW 99.58 (AdaFace, WebFace4M)"),
    _cvlface("ir50", 50, "LFW 99.85 (AdaFace, MS1MV2)"),
    _cvlface("ir101", 100, "LFW 99.82 (AdaFace, WebFace12M)"),
    replace(
        _CVLFACE,
        name="cvlface-vit-base",
        what="CVLFace's ViT-B with patches of 8 pixels and 24 blocks",
        network="cvlface_vit:cvlface_vit",
        options={"depth": 24, "heads": 16, "mlp_ratio": 3},
        layer="feature",
        marker="feature.0.weight",
        # A token that only masked training uses.
        head=("mask_token",),
        published="LFW 99.80 (AdaFace, WebFace4M)",
    ),
    replace(
        _CVLFACE,
        name="cvlface-vit-small",
        what="CVLFace's ViT-S with patches of 8 pixels and 12 blocks",
        network="cvlface_vit:cvlface_vit",
        options={"depth": 12, "heads": 8, "mlp_ratio": 5},
        layer="feature",
        marker="feature.0.weight",
        head=("mask_token",),
        protocol="",
    ),
    _edgeface("base", "edgenext_base", None, "LFW 99.83"),
    _edgeface("s-gamma-05", "edgenext_small", 0.5, "LFW 99.78"),
    _edgeface("xs-gamma-06", "edgenext_x_small", 0.6, "LFW 99.73"),
    _edgeface("xxs", "edgenext_xx_small", None, "LFW 99.57"),
    Recipe(
        name="facenet",
        what="FaceNet's Inception-ResNet v1 (facenet-pytorch)",
        network="inception_resnet_v1:inception_resnet_v1",
        input={"size": 160, "channels": "rgb", "max_value": 255, "mean": 127.5, "std": 128},
        template="facenet160",
        layer="last_bn",
        marker="last_linear.weight",
        head=("logits.",),
        classes=("logits.weight", 0),
        any_size=True,
        source="https://github.com/timesler/facenet-pytorch",
        licence="MIT",
        published="LFW 99.65 (VGGFace2, 8,631 classes), 99.05 (CASIA-WebFace, 10,575)",
        protocol="accuracy of the TensorFlow originals, github.com/davidsandberg/facenet",
        citations=("schroff2015facenet",),
    ),
    _ir("ir50", 50),
    _ir("ir101", 100),
    _ir("ir152", 152),
    _ir_se("ir-se50", 50, "LFW 99.52"),
    _ir_se("ir-se101", 100),
    _iresnet(18, "95.77 (WebFace42M, Partial FC)"),
    _iresnet(34, ""),
    _iresnet(50, "95.97 (MS1MV2), 97.16 (Glint360K)"),
    _iresnet(100, "96.37 (MS1MV2), 97.55 (Glint360K)"),
    _iresnet(200, "97.97 (WebFace42M, Partial FC)"),
    _magface(18),
    _magface(50),
    _magface(100),
    replace(
        _IR_SE,
        name="mobilefacenet",
        what="MobileFaceNet of InsightFace_Pytorch",
        network="mobilefacenet:mobilefacenet",
        layer="bn",
        marker="conv_6_dw.conv.weight",
        width="linear.weight",
        published="LFW 99.18",
        protocol=_TEN_FOLDS,
        citations=("chen2018mobilefacenets", "deng2019arcface"),
    ),
    replace(
        _IR_SE,
        name="mobilefacenet-foamliu",
        what="MobileFaceNet of foamliu, with ReLU6",
        network="mobilefacenet:foamliu_mobilefacenet",
        input={**_RGB, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
        layer="bn",
        marker="gdconv.depthwise.weight",
        width="conv3.weight",
        source="https://github.com/foamliu/MobileFaceNet",
        licence="see there",
        published="LFW 99.48",
        protocol="accuracy at the best threshold for the same pairs",
        citations=("chen2018mobilefacenets", "deng2019arcface"),
    ),
    replace(
        _IRESNET,
        name="mobilefacenet-insightface",
        what="insightface's MobileFaceNet (0.45 GFLOPs)",
        network="mobilefacenet:insightface_mobilefacenet",
        marker="conv_sep.layers.0.weight",
        ones="",
        width="features.layers.2.weight",
        published="93.61 (MS1MV2), 95.04 (Glint360K)",
        citations=("chen2018mobilefacenets", "deng2019arcface"),
    ),
    replace(
        _IRESNET,
        name="mobilefacenet-insightface-large",
        what="insightface's large MobileFaceNet",
        network="mobilefacenet:insightface_mobilefacenet",
        options={"blocks": (2, 8, 12, 4), "scale": 4},
        citations=("chen2018mobilefacenets", "deng2019arcface"),
        marker="conv_sep.layers.0.weight",
        ones="",
        width="features.layers.2.weight",
        protocol="",
    ),
    Recipe(
        name="vgg-face",
        what="VGG-Face (Parkhi et al. 2015) on the layers of VGG16; the embedding is 'fc7'",
        network="vgg_face:vgg_face",
        input={
            "size": 224,
            "channels": "rgb",
            "max_value": 255,
            "mean": (129.1863, 104.7624, 93.5940),
            "std": 1,
        },
        template="vgg224",
        layer="classifier.5",
        marker="conv5_3.weight",
        head=("fc8.",),
        classes=("fc8.weight", 0),
        keys="vgg_face:KEYS",
        any_size=True,
        source="https://www.robots.ox.ac.uk/~albanie/pytorch-models.html (vgg_face_dag)",
        published="LFW 98.95",
        protocol="accuracy, unrestricted, as the paper reports it",
        citations=("parkhi2015vggface",),
    ),
    replace(
        _VGGFACE2,
        name="vggface2-resnet50",
        what="VGGFace2's ResNet-50, as Caffe computes it",
        other_classes={1000: "torchvision's ResNet-50 for ImageNet"},
        taken_for=("torchvision.models.resnet.ResNet", "timm.models.resnet.ResNet"),
        published="94.7",
    ),
    replace(
        _VGGFACE2,
        name="vggface2-senet50",
        what="VGGFace2's SENet-50, as Caffe computes it",
        options={"se": True},
        published="95.6",
    ),
)
RECIPES: Mapping[str, Recipe] = MappingProxyType({recipe.name: recipe for recipe in _ALL})
