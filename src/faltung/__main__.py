"""``python -m faltung`` is the command ``faltung``."""

from __future__ import annotations

import sys

from faltung.cli import main

if __name__ == "__main__":
    sys.exit(main())
