"""Other programs' networks and weights, read into this library's layers; and layers as files.

``torch``, ``keras``, ``onnx`` and ``tmva`` are a `Framework` each, with the same four methods:

>>> import tinygrad_lstm as tg
>>> lstm = tg.nn.LSTM(2, 3, seed=0)
>>> state_dict = tg.interop.torch.weights(lstm)
>>> tg.interop.torch.load(lstm, state_dict)

``stacked`` is the layout of those who derive on [h; x] and columns.
"""

from .framework import Framework
from .keras_layout import keras
from .onnx_file import onnx_model, save_onnx
from .onnx_layout import onnx
from .onnx_network import OnnxNetwork, load_onnx
from .registry import frameworks, register
from .saving import load, save
from .stacked_layout import Stacked, stacked
from .tmva_layout import tmva
from .torch_layout import torch

__all__ = [
    "Framework", "OnnxNetwork", "Stacked", "frameworks", "keras", "load", "load_onnx", "onnx",
    "onnx_model", "register", "save", "save_onnx", "stacked", "tmva", "torch",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
