"""Cheap numbers that rank releases without an attack, and how well they do."""

from qmis_utils import public

__getattr__, __dir__ = public(__name__)
