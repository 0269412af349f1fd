"""Other programs' networks and weights, read into this library's layers; and layers as files."""

from . import tmva as tmva
from .keras import from_keras as from_keras
from .keras import gradients_from_keras as gradients_from_keras
from .keras import gradients_to_keras as gradients_to_keras
from .keras import to_keras as to_keras
from .onnx_file import onnx_model as onnx_model
from .onnx_file import save_onnx as save_onnx
from .onnx_layout import from_onnx as from_onnx
from .onnx_layout import gradients_from_onnx as gradients_from_onnx
from .onnx_layout import gradients_to_onnx as gradients_to_onnx
from .onnx_layout import to_onnx as to_onnx
from .onnx_network import OnnxNetwork as OnnxNetwork
from .onnx_network import load_onnx as load_onnx
from .pytorch import from_torch as from_torch
from .pytorch import gradients_from_torch as gradients_from_torch
from .pytorch import gradients_to_torch as gradients_to_torch
from .pytorch import to_torch as to_torch
from .saving import load as load
from .saving import save as save
from .tmva_layout import from_tmva as from_tmva
from .tmva_layout import gradients_from_tmva as gradients_from_tmva
from .tmva_layout import gradients_to_tmva as gradients_to_tmva
from .tmva_layout import to_tmva as to_tmva
