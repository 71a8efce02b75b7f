"""The table of data sets: counts, layout, licence, where to ask for access, protocol.

Formats are those of the official files. Counts are the official ones; None where publications
disagree or none is published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["FACE_SETS", "FaceSet", "Format", "PairList"]

Format: TypeAlias = Literal["agedb", "bfw", "calfw", "cfp", "lfw", "pack"]


@dataclass(frozen=True)
class PairList:
    """One official list of pairs.

    Attributes
    ----------
    name : str
        Of the task that is made of it.
    file : str
        How the file is called; it is looked for below the root, at any depth.
    format : Format
        How it is read.
    genuine, impostor : int or None
        How many pairs it has.
    folds : int
        For cross-validation; 0 where the list has none.
    group : str
        The group that all its people belong to, and the folder of the images; '' if it has none.
    """

    name: str
    file: str
    format: Format
    genuine: int | None
    impostor: int | None
    folds: int = 10
    group: str = ""

    @property
    def counts(self) -> str:
        """The official numbers in words."""
        if self.genuine is None or self.impostor is None:
            return f"{self.folds} folds"
        counted = f"{self.genuine:,} genuine and {self.impostor:,} impostor pairs"
        return f"{counted} in {self.folds} folds" if self.folds else counted


@dataclass(frozen=True)
class FaceSet:
    """One data set.

    Attributes
    ----------
    name : str
        What commands call it.
    title, summary : str
        Its full name; what it tests, in a sentence.
    images, people : int or None
        Official numbers.
    layout : str
        The folders and files of the unpacked archives, as a tree.
    licence, access : str
        Terms of use; where to ask for it.
    protocol : str
        What the official protocol asks for, and how it is kept.
    reference : str
        Where it was published.
    citation : str
        The key of that publication in facebench's references.
    lists : tuple of PairList
        Its pairs.
    needs_all : bool, default True
        Whether every list must be there; else one will do.
    is_aligned : bool, default False
        Whether its images are faces cut out and aligned already.
    has_groups : bool, default False
        Whether errors are compared between groups of people.
    """

    name: str
    title: str
    summary: str
    images: int | None
    people: int | None
    layout: str
    licence: str
    access: str
    protocol: str
    reference: str
    citation: str
    lists: tuple[PairList, ...]
    needs_all: bool = True
    is_aligned: bool = False
    has_groups: bool = False


_LFW_TERMS = "No licence is stated; photographs of the news, for research."
_LFW_REPORT = 'G. B. Huang et al., "Labeled Faces in the Wild", UMass Amherst, TR 07-49 (2007).'
_TEN_FOLDS = (
    "Ten folds: each is judged at the threshold that is best on the other nine; report the mean "
    "accuracy and its standard error."
)
_RFW_GROUPS = ("African", "Asian", "Caucasian", "Indian")

_SETS = (
    FaceSet(
        name="agedb-30",
        title="AgeDB, age gaps of 30 years",
        summary="Photographs of one person 30 years apart. All of AgeDB: 16,488 of 568 people.",
        images=None,
        people=None,
        layout="""\
ROOT/
  03_Protocol_Images/           a .jpg (and a .pts) for each name in the protocol
  04_FINAL_protocol_30_years.mat""",
        licence="Non-commercial research.",
        access="https://ibug.doc.ic.ac.uk/resources/agedb (a password is sent on request)",
        protocol=_TEN_FOLDS,
        reference='S. Moschoglou et al., "AgeDB: the first manually collected, in-the-wild age '
        'database", CVPR Workshops (2017).',
        citation="moschoglou2017agedb",
        lists=(PairList("agedb-30", "04_FINAL_protocol_30_years.mat", "agedb", 3000, 3000),),
    ),
    FaceSet(
        name="bfw",
        title="Balanced Faces in the Wild",
        summary="Errors of eight groups of ethnicity and sex, of equal numbers of people.",
        images=20_000,
        people=800,
        layout="""\
ROOT/
  bfw-v0.1.5-datatable.csv      fold, p1, p2, label, id1, id2, att1, att2 …
  bfw-cropped-aligned/          (or another folder that holds these)
    asian_females/n000009/0010_01.jpg
    asian_males/ black_females/ black_males/ indian_females/ indian_males/
    white_females/ white_males/""",
        licence="Non-commercial research and education; images must not be passed on.",
        access="https://github.com/visionjo/facerec-bias-bfw (a form)",
        protocol="Five folds of different people, and errors by group.",
        reference='J. P. Robinson et al., "Face recognition: too bias, or not too bias?", CVPR '
        "Workshops (2020).",
        citation="robinson2020bfw",
        lists=(PairList("bfw", "bfw-*datatable.csv", "bfw", None, None, folds=5),),
        has_groups=True,
    ),
    FaceSet(
        name="calfw",
        title="Cross-Age LFW",
        summary="LFW's people at different ages; impostors of the same sex and race.",
        images=12_174,
        people=4_025,
        layout="""\
ROOT/
  pairs_CALFW.txt
  aligned images/               Aaron_Eckhart_0001.jpg, all in one folder (or: images/)""",
        licence="Non-commercial research.",
        access="http://whdeng.cn/CALFW",
        protocol=f"{_TEN_FOLDS} The list numbers the folds of the genuine pairs only; impostor "
        "pairs are dealt out in their order.",
        reference='T. Zheng, W. Deng and J. Hu, "Cross-Age LFW", arXiv:1708.08197 (2017).',
        citation="zheng2017calfw",
        lists=(PairList("calfw", "pairs_CALFW.txt", "calfw", 3000, 3000),),
    ),
    FaceSet(
        name="cfp-fp",
        title="Celebrities in Frontal-Profile",
        summary="Frontal against profile photographs.",
        images=7_000,
        people=500,
        layout="""\
ROOT/                           (cfp-dataset)
  Data/Images/001/frontal/01.jpg … 10.jpg
  Data/Images/001/profile/01.jpg … 04.jpg
  Protocol/Pair_list_F.txt, Pair_list_P.txt
  Protocol/Split/FP/01/same.txt, diff.txt, and so on to 10""",
        licence="No licence is stated; for research.",
        access="http://www.cfpw.io",
        protocol=_TEN_FOLDS,
        reference='S. Sengupta et al., "Frontal to profile face verification in the wild", WACV '
        "(2016).",
        citation="sengupta2016cfp",
        lists=(PairList("cfp-fp", "Pair_list_F.txt", "cfp", 3500, 3500),),
    ),
    FaceSet(
        name="cplfw",
        title="Cross-Pose LFW",
        summary="LFW's people in different poses; impostors of the same sex and race.",
        images=11_652,
        people=None,
        layout="""\
ROOT/
  pairs_CPLFW.txt
  aligned images/               AJ_Cook_1.jpg, all in one folder (or: images/)""",
        licence="Non-commercial research.",
        access="http://whdeng.cn/CPLFW",
        protocol=f"{_TEN_FOLDS} The list has no folds: the pairs of each class are dealt out in "
        "their order.",
        reference='T. Zheng and W. Deng, "Cross-Pose LFW", Beijing University of Posts and '
        "Telecommunications, TR 18-01 (2018).",
        citation="zheng2018cplfw",
        lists=(PairList("cplfw", "pairs_CPLFW.txt", "calfw", 3000, 3000),),
    ),
    FaceSet(
        name="lfw-view1",
        title="Labeled Faces in the Wild, View 1",
        summary="For development: choose on dev-train, judge on dev-test.",
        images=13_233,
        people=5_749,
        layout="""\
ROOT/
  pairsDevTrain.txt, pairsDevTest.txt
  lfw/ (or lfw-deepfunneled/)   Aaron_Eckhart/Aaron_Eckhart_0001.jpg""",
        licence=_LFW_TERMS,
        access="http://vis-www.cs.umass.edu/lfw",
        protocol="Choose models, layers and thresholds on dev-train, and judge on dev-test. "
        "Published results are of View 2.",
        reference=_LFW_REPORT,
        citation="huang2007lfw",
        lists=(
            PairList("lfw-dev-train", "pairsDevTrain.txt", "lfw", 1100, 1100, folds=0),
            PairList("lfw-dev-test", "pairsDevTest.txt", "lfw", 500, 500, folds=0),
        ),
    ),
    FaceSet(
        name="lfw-view2",
        title="Labeled Faces in the Wild, View 2",
        summary="Photographs of the news: the field's oldest benchmark of its kind.",
        images=13_233,
        people=5_749,
        layout="""\
ROOT/
  pairs.txt
  lfw/ (or lfw-deepfunneled/)   Aaron_Eckhart/Aaron_Eckhart_0001.jpg""",
        licence=_LFW_TERMS,
        access="http://vis-www.cs.umass.edu/lfw",
        protocol=f"{_TEN_FOLDS} Networks trained on other images are 'unrestricted with labeled "
        "outside data'.",
        reference=_LFW_REPORT,
        citation="huang2007lfw",
        lists=(PairList("lfw-view2", "pairs.txt", "lfw", 3000, 3000),),
    ),
    FaceSet(
        name="packs",
        title="InsightFace's verification packs",
        summary="Copies of several sets as one file each, of faces aligned to 112 x 112.",
        images=None,
        people=None,
        layout="""\
ROOT/                           (one of them will do)
  agedb_30.bin  calfw.bin  cfp_ff.bin  cfp_fp.bin  cplfw.bin  lfw.bin  vgg2_fp.bin""",
        licence="That of the set a pack was made of.",
        access="https://github.com/deepinsight/insightface (data sets of its face recognition)",
        protocol="Ten folds of consecutive pairs in the pack's own order, as in InsightFace's "
        "verification.py. Where a fold would hold one class only, the pairs of each class are "
        "distributed over the folds in their order.",
        reference='J. Deng et al., "ArcFace: additive angular margin loss for deep face '
        'recognition", CVPR (2019).',
        citation="deng2019arcface",
        lists=(
            PairList("agedb_30-pack", "agedb_30.bin", "pack", 3000, 3000),
            PairList("calfw-pack", "calfw.bin", "pack", 3000, 3000),
            PairList("cfp_ff-pack", "cfp_ff.bin", "pack", 3500, 3500),
            PairList("cfp_fp-pack", "cfp_fp.bin", "pack", 3500, 3500),
            PairList("cplfw-pack", "cplfw.bin", "pack", 3000, 3000),
            PairList("lfw-pack", "lfw.bin", "pack", 3000, 3000),
            PairList("vgg2_fp-pack", "vgg2_fp.bin", "pack", 2500, 2500),
        ),
        needs_all=False,
        is_aligned=True,
    ),
    FaceSet(
        name="rfw",
        title="Racial Faces in the Wild",
        summary="Errors of four groups, each with LFW's protocol.",
        images=None,
        people=None,
        layout="""\
ROOT/                           (the folder test of the archive)
  data/African/m.0xnkj/m.0xnkj_0002.jpg, and Asian/, Caucasian/, Indian/
  txts/African/African_pairs.txt, and Asian/, Caucasian/, Indian/""",
        licence="Non-commercial research; images must not be passed on.",
        access="http://whdeng.cn/RFW/testing.html (by request)",
        protocol=f"{_TEN_FOLDS} For each group by itself, and errors by group at one threshold.",
        reference='M. Wang et al., "Racial Faces in the Wild: reducing racial bias by information '
        'maximization adaptation network", ICCV (2019).',
        citation="wang2019rfw",
        lists=tuple(
            PairList(f"rfw-{group.lower()}", f"{group}_pairs.txt", "lfw", 3000, 3000, group=group)
            for group in _RFW_GROUPS
        ),
        has_groups=True,
    ),
    FaceSet(
        name="xqlfw",
        title="Cross-Quality LFW",
        summary="LFW's people in images of different quality.",
        images=13_233,
        people=5_749,
        layout="""\
ROOT/
  xqlfw_pairs.txt
  lfw_original_imgs_min_qual0.85variant11/  (or xqlfw_aligned_112/)
    Aaron_Eckhart/Aaron_Eckhart_0001.jpg""",
        licence="The code is under MIT; the images are LFW's.",
        access="https://martlgap.github.io/xqlfw/pages/download.html",
        protocol=_TEN_FOLDS,
        reference='M. Knoche, S. Hörmann and G. Rigoll, "Cross-Quality LFW", FG (2021).',
        citation="knoche2021xqlfw",
        lists=(PairList("xqlfw", "xqlfw_pairs.txt", "lfw", 3000, 3000),),
    ),
)

FACE_SETS: dict[str, FaceSet] = {face_set.name: face_set for face_set in _SETS}
