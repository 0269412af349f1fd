"""Backward passes derived by hand in the literature, in plain NumPy and in their authors' letters.

Imports NumPy alone: what is compared with the tape must not lean on it.
"""

from . import gers as gers
from . import gomez as gomez
from . import mazur as mazur
from . import question as question
from . import tmva as tmva
from . import wan as wan
from .numerical import complex_step as complex_step
