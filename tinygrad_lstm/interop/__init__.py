"""Other programs' networks and weights, read into this library's layers."""

from . import tmva as tmva
