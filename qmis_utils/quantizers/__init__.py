"""Post-training quantizers: data-free rules, and two that read data."""

from qmis_utils import public

__getattr__, __dir__ = public(__name__)
