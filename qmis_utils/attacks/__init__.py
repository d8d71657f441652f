"""Membership inference attacks, what they may see, and how they are judged."""

from qmis_utils import public

__getattr__, __dir__ = public(__name__)
