"""Tables of molecules, cleaned, split and embedded."""

from qmis_utils import public
from qmis_utils.store.extras import extra

with extra("molecules"):  # every module of this room needs it: say so before any of them fails
    import rdkit  # noqa: F401

__getattr__, __dir__ = public(__name__)
