"""Tables of molecules, cleaned, split and embedded."""

from qmis_utils import public

__getattr__, __dir__ = public(__name__)
