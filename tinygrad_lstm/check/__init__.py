"""Checks of gradients: by hand against the tape, and the tape against differences."""

from .adequacy import Adequacy as Adequacy
from .findings import GradReport as GradReport
from .report import Report as Report
from .report import Row as Row
