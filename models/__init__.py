"""Documented import path of the models."""

from facebench import CLIPModel, DinoModel, DlibResNetModel, Vgg16Model, batch_cosine_distance

__all__ = ["CLIPModel", "DinoModel", "DlibResNetModel", "Vgg16Model", "batch_cosine_distance"]
