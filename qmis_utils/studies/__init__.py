"""The two studies: settings of notebook B and of notebook 07."""

from qmis_utils import public

__getattr__, __dir__ = public(__name__)
