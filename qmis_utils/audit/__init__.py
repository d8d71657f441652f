"""The audit of a reader's own torch model."""

from qmis_utils import public

__getattr__, __dir__ = public(__name__)
