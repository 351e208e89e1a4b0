"""Where the project's own folders are; the only module that counts parents."""

from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
PROJECT_ROOT = SCRIPTS.parent
CAPTIONS = PROJECT_ROOT / "report"
RESOURCES = PROJECT_ROOT / "resources"
FONTS = RESOURCES / "fonts"
PUBLISHED = RESOURCES / "published"
