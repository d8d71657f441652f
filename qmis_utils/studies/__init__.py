"""The two studies: settings of notebook 02b and of notebook 03."""

from qmis_utils import public

__getattr__, __dir__ = public(__name__)
