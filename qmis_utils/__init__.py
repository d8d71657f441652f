"""Helpers of QMIS, a companion to membership inference security of post-training quantized models.

Import the modules, not names from the package: ``from qmis_utils import quantizers, security``.
"""
