"""Documented import path of the models."""

from facebench import CLIPModel, DinoModel, DlibResNetModel, Vgg16Model, batch_cosine_distance
from facesBenchmarkUtils.firstTool import accept_old_keywords, star_names

accept_old_keywords(CLIPModel, DinoModel, DlibResNetModel, Vgg16Model)
__getattr__, _star_names = star_names(__name__)

__all__ = [
    "CLIPModel",
    "DinoModel",
    "DlibResNetModel",
    "Vgg16Model",
    "batch_cosine_distance",
    *_star_names,
]
