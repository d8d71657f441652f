"""Where things are: the one module that knows."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
