"""Documented import path."""

from facebench.models.vgg16 import Vgg16Model as Vgg16Model
