"""Layers, losses and initial values, built from primitives alone."""

from . import init as init
from .cells import GRUCell as GRUCell
from .cells import LSTMCell as LSTMCell
from .cells import RNNCell as RNNCell
from .layers import Dense as Dense
from .layers import Dropout as Dropout
from .layers import Sequential as Sequential
from .losses import binary_cross_entropy as binary_cross_entropy
from .losses import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
from .losses import euclidean_norm as euclidean_norm
from .losses import mean_squared_error as mean_squared_error
from .losses import softmax_cross_entropy as softmax_cross_entropy
from .losses import squared_error as squared_error
from .module import Module as Module
from .recurrent import GRU as GRU
from .recurrent import LSTM as LSTM
from .recurrent import RNN as RNN
from .recurrent import MemoryBlocks as MemoryBlocks
from .running import Recurrent as Recurrent
