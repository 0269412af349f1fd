"""Layers, losses and initial values, built from primitives alone."""

from . import init as init
from .layers import LSTM as LSTM
from .layers import Dense as Dense
from .layers import Sequential as Sequential
from .losses import binary_cross_entropy as binary_cross_entropy
from .losses import euclidean_norm as euclidean_norm
from .losses import mean_squared_error as mean_squared_error
from .losses import softmax_cross_entropy as softmax_cross_entropy
from .losses import squared_error as squared_error
from .module import Module as Module
