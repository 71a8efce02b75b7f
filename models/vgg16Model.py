"""Documented import path."""

from facebench import Vgg16Model as Vgg16Model
