"""Notebooks run by papermill, sweeps, and the files of figures: no science."""
