"""PyTorch's models through both of its exporters: values and gradients are PyTorch's."""

import logging
import warnings

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from support.peers import peer
from tinygrad_lstm import interop, nn

torch = peer("torch")
peer("onnx")
peer("onnxscript")
NEAR = 2e-5  # relative, of float32


class Applied(torch.nn.Module):
    """A function of modules and inputs."""

    def __init__(self, function, **modules):
        super().__init__()
        self.function = function
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, *inputs):
        return self.function(self, *inputs)


def unrolled(self, x):
    out = state = torch.zeros(x.shape[1], 4)
    for x_k in x:
        out, state = self.cell(x_k, (out, state))
    return out


MODELS = {
    "layers one after the other": lambda nn: (
        nn.Sequential(nn.Linear(3, 5), nn.GELU(), nn.LayerNorm(5), nn.Linear(5, 2), nn.Softmax(-1)),
        [(4, 3)],
    ),
    "LSTM": lambda nn: (
        Applied(lambda s, x, h, c: s.rnn(x, (h, c))[0], rnn=nn.LSTM(3, 4, 2)),
        [(5, 2, 3), (2, 2, 4), (2, 2, 4)],
    ),
    "GRU in both directions": lambda nn: (
        Applied(lambda s, x: s.rnn(x)[0], rnn=nn.GRU(3, 4, batch_first=True, bidirectional=True)),
        [(2, 5, 3)],
    ),
    "a cell in a loop": lambda nn: (Applied(unrolled, cell=nn.LSTMCell(3, 4)), [(3, 2, 3)]),
    "a network of convolutions": lambda nn: (
        nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(4, 3, 2), nn.ELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        ),
        [(2, 1, 6, 6)],
    ),
    "attention": lambda nn: (
        Applied(lambda s, x: s.attend(x, x, x)[0], attend=nn.MultiheadAttention(8, 2)),
        [(5, 2, 8)],
    ),
}  # fmt: skip


def exported(model, inputs, path, dynamo):
    """Write a model with one of PyTorch's exporters, at its defaults."""
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(model, inputs, path, dynamo=dynamo, verbose=False)
    finally:
        logging.disable(logging.NOTSET)
    return path


@pytest.mark.long
@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_an_exported_model_computes_what_it_does_in_pytorch(tmp_path, make, dynamo, capsys):
    torch.manual_seed(0)
    model, shapes = make(torch.nn)
    model.eval()
    for parameter in model.parameters():  # else equal ones are written as one
        parameter.data += 0.1 * torch.randn(parameter.shape)
    arrays = [laws.draw(shape).astype(np.float32) for shape in shapes]
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    path = exported(model, tuple(x.detach() for x in theirs), tmp_path / "m.onnx", dynamo)
    capsys.readouterr()
    assert (tmp_path / "m.onnx.data").exists() == dynamo

    net = interop.load_onnx(path)
    ours = [tg.Tensor(array, requires_grad=True) for array in arrays]
    y, expected = net(*ours), model(*theirs)
    laws.near(y.data, expected.detach().numpy(), NEAR)
    ct = laws.draw(y.shape, 3).astype(np.float32)
    y.backward(ct)
    expected.backward(torch.tensor(ct))
    for one, other in zip(ours, theirs, strict=True):
        laws.near(one.grad, other.grad.numpy(), NEAR)
    parameters = dict(model.named_parameters())
    same = [
        name
        for name, weight in net.weights.items()
        if name in parameters and np.array_equal(weight.data, parameters[name].detach().numpy())
    ]
    for name in same:
        if not (dynamo and name == "cell.bias_hh"):  # of step 0 the file holds the product with 0
            laws.near(net.weights[name].grad, parameters[name].grad.numpy(), NEAR)
    fused = any(isinstance(module, torch.nn.BatchNorm2d) for module in model.modules())
    assert same or fused or any(isinstance(child, nn.Recurrent) for _, child in net.children())
