"""Layers, losses and initial values, built from primitives alone."""

from importlib import import_module
from typing import TYPE_CHECKING

from ..engine.other_names import LAYERS, unknown
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

if TYPE_CHECKING:
    from .attention import Attention as Attention
    from .batch_normalization import BatchNorm as BatchNorm
    from .convolution import Conv1d as Conv1d
    from .convolution import Conv2d as Conv2d
    from .embedding import Embedding as Embedding
    from .flatten import Flatten as Flatten
    from .normalization import GroupNorm as GroupNorm
    from .normalization import LayerNorm as LayerNorm
    from .normalization import RMSNorm as RMSNorm
    from .pooling import AveragePool as AveragePool
    from .pooling import MaxPool as MaxPool

__all__ = [
    "GRU", "LSTM", "RNN", "Attention", "AveragePool", "BatchNorm", "Cell", "Conv1d", "Conv2d",
    "Dense", "Dropout", "Embedding", "Equations", "Flatten", "GRUCell", "GroupNorm", "LSTMCell",
    "LayerNorm", "MaxPool", "MemoryBlocks", "Module", "RMSNorm", "RNNCell", "Recurrent",
    "RecurrentOptions", "Sequential",
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "euclidean_norm", "init",
    "mean_squared_error", "softmax_cross_entropy", "squared_error",
]  # fmt: skip

# the layers that are loaded when they are first asked for
_LATER = {
    "Attention": "attention", "AveragePool": "pooling", "BatchNorm": "batch_normalization",
    "Conv1d": "convolution", "Conv2d": "convolution", "Embedding": "embedding",
    "Flatten": "flatten", "GroupNorm": "normalization", "LayerNorm": "normalization",
    "MaxPool": "pooling", "RMSNorm": "normalization",
}  # fmt: skip

if not TYPE_CHECKING:

    def __getattr__(name):
        if name not in _LATER:
            raise unknown(f"module {__name__!r}", name, LAYERS)
        globals()[name] = layer = getattr(import_module(f".{_LATER[name]}", __name__), name)
        return layer


def __dir__() -> list[str]:
    return sorted(__all__)
