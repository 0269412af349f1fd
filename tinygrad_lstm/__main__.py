"""``python -m tinygrad_lstm``."""

from .cli import main

raise SystemExit(main())
