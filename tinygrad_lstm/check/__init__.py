"""Checks of gradients: by hand against the tape."""

from .adequacy import Adequacy as Adequacy
from .adequacy import adequacy as adequacy
from .compare import Report as Report
from .compare import Row as Row
from .compare import compare as compare
