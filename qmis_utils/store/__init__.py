"""Files, paths and downloads: no science."""
