"""Checks of gradients: by hand against the tape."""

from .compare import Report as Report
from .compare import Row as Row
from .compare import compare as compare
