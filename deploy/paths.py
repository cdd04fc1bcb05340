"""Paths of this version's files."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "deploy" / "config"
NEWSROOM_ASSETS = ROOT / ".local" / "newsroom-assets"
