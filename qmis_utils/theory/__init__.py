"""Exact insecurity, rates, and what survives rounding: numpy and scipy alone."""

from qmis_utils import public

__getattr__, __dir__ = public(__name__)
