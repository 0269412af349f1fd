"""Checks of gradients: by hand against the tape, and the tape against differences."""

from .adequacy import Adequacy as Adequacy
from .adequacy import adequacy as adequacy
from .compare import compare as compare
from .findings import GradReport as GradReport
from .gradcheck import gradcheck as gradcheck
from .report import Report as Report
from .report import Row as Row
