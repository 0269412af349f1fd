"""Layers, losses and initial values, built from primitives alone."""

from . import init
from .cell import Cell
from .cross_entropy import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    softmax_cross_entropy,
)
from .equations import Equations
from .gru import GRU, GRUCell
from .layers import Dense, Dropout
from .losses import euclidean_norm, mean_squared_error, squared_error
from .lstm import LSTM, LSTMCell, MemoryBlocks
from .module import Module
from .recurrent import Recurrent, RecurrentOptions
from .rnn import RNN, RNNCell
from .sequential import Sequential

__all__ = [
    "GRU", "LSTM", "RNN", "Cell", "Dense", "Dropout", "Equations", "GRUCell", "LSTMCell",
    "MemoryBlocks", "Module", "RNNCell", "Recurrent", "RecurrentOptions", "Sequential",
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "euclidean_norm", "init",
    "mean_squared_error", "softmax_cross_entropy", "squared_error",
]  # fmt: skip
