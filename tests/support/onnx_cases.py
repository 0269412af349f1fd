"""Random nodes of ONNX' operators: what goes in, constants, attributes, one kind after another."""

from __future__ import annotations

import numpy as np

from support.onnx_models import F
from support.peers import peer

CASES = {}


class Case:
    """A random node: arrays that go in, constants after them, attributes.

    Attributes
    ----------
    data, constants : lists of arrays; a constant may be None
    attributes : dict
    outputs, opset : int
    """

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.data, self.constants, self.attributes = [], [], {}
        self.outputs, self.opset = 1, 18

    def some(self, share=0.5):
        """Return True as often as not."""
        return self.random.random() < share

    def number(self, low, high):
        """Return a whole number from low to below high."""
        return int(self.random.integers(low, high))

    def shape(self, ndim=None, low=1, high=5):
        """Return a random shape."""
        ndim = self.number(1, 5) if ndim is None else ndim
        return tuple(int(size) for size in self.random.integers(low, high, ndim))

    def smaller(self, shape):
        """Return a shape that broadcasts to another one."""
        rest = shape[self.number(0, len(shape) + 1) :]
        return tuple(1 if self.some(0.3) else size for size in rest)

    def normal(self, shape):
        return np.asarray(self.random.normal(size=shape), F)

    def positive(self, shape):
        return np.asarray(0.2 + np.abs(self.random.normal(size=shape)), F)

    def axis(self, ndim):
        return self.number(-ndim, ndim)

    def axes(self, ndim):
        """Return some axes, each once, counted from either end."""
        chosen = self.random.permutation(ndim)[: self.number(1, ndim + 1)]
        return [int(axis) - ndim * self.some(0.3) for axis in chosen]

    def choose(self, **options):
        """Set each attribute as often as not, to one of its values."""
        for name, values in options.items():
            if self.some():
                self.attributes[name] = values[self.number(0, len(values))]


def of(*operators):
    """Make a case that fills in a node of each operator known."""

    def add(fill):
        CASES.update(dict.fromkeys(operators, fill))
        return fill

    return add


def whole(*numbers):
    return np.array(numbers, np.int64)


# --- entry by entry -------------------------------------------------------------------------------


@of("Abs", "Atan", "Asinh", "Ceil", "Cos", "Cosh", "Erf", "Exp", "Floor", "Identity", "Neg",
    "Round", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Tan", "Tanh", "Relu",
    "IsNaN", "HardSwish", "Mish", "Size", "NonZero", "Shape")  # fmt: skip
def any_number(case):
    case.data = [case.normal(case.shape())]


@of("Log", "Sqrt", "Reciprocal")
def positive_number(case):
    case.data = [case.positive(case.shape())]


@of("Acos", "Asin", "Atanh")
def small_number(case):
    case.data = [np.clip(case.normal(case.shape()), -0.9, 0.9)]


@of("Acosh")
def large_number(case):
    case.data = [1 + case.positive(case.shape())]


@of("Celu", "Elu", "LeakyRelu", "ThresholdedRelu", "Swish")
def slope(case):
    any_number(case)
    case.choose(alpha=[0.3, 1.7])


@of("HardSigmoid", "Selu", "Shrink", "Gelu", "Cast", "IsInf", "Dropout", "CastLike")
def with_attributes(case):
    any_number(case)
    name = case.operator
    if name == "HardSigmoid":
        case.choose(alpha=[0.1, 0.4], beta=[0.3, 0.6])
    if name == "Selu":
        case.choose(alpha=[1.5], gamma=[1.2])
    if name == "Shrink":
        case.choose(lambd=[0.2, 0.7], bias=[0.1, 0.5])
    if name == "Gelu":
        case.opset = 20
        case.choose(approximate=["none", "tanh"])
    if name == "Cast":
        case.attributes["to"] = int(case.random.choice([1, 6, 7, 9, 11]))
    if name == "CastLike":
        case.constants = [np.zeros(1, case.random.choice([np.int32, float]))]
    if name == "IsInf":
        case.data = [np.array([np.inf, -np.inf, np.nan, 1.0], F)]
        case.choose(detect_negative=[0, 1], detect_positive=[0, 1])
    if name == "Dropout" and case.some():
        case.constants = [np.array(0.3, F)]


@of("Add", "Sub", "Mul", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
def pair(case):
    shape = case.shape()
    case.data = [case.normal(shape).round(1), case.positive(case.smaller(shape)).round(1)]


@of("And", "Or", "Xor", "Not", "Where")
def truth(case):
    shape = case.shape()
    case.data = [case.normal(shape) > 0]
    if case.operator == "Where":
        case.data = [case.normal(case.smaller(shape)) > 0, case.normal(shape)]
    if case.operator != "Not":
        other = case.normal(case.smaller(shape))
        case.data.append(other if case.operator == "Where" else other > 0)


@of("Pow")
def exponent(case):
    shape = case.shape()
    case.data = [case.positive(shape)]
    powers = [np.array(2, F), whole(3)[0], np.array(0.5, F), case.normal(case.smaller(shape))]
    case.constants = [np.asarray(powers[case.number(0, 4)])]


@of("Mod")
def remainder(case):
    if case.some():
        case.data, case.constants = [case.random.integers(-9, 9, case.shape())], [whole(3)]
    else:
        case.data, case.constants = [case.normal(case.shape())], [np.array(0.7, F)]
        case.attributes["fmod"] = 1


@of("Max", "Min", "Sum", "Mean")
def several(case):
    shape = case.shape()
    case.data = [case.normal(shape)]
    case.data += [case.normal(case.smaller(shape)) for _ in range(case.number(0, 3))]


@of("Clip")
def bounds(case):
    any_number(case)
    low, high = np.array(-0.5, F), np.array(0.6, F)
    case.constants = [[low], [low, high], [None, high], []][case.number(0, 4)]


@of("PRelu")
def slopes(case):
    shape = case.shape(3)
    case.data = [case.normal(shape)]
    case.constants = [case.normal([(1,), (shape[1], 1), shape[2:]][case.number(0, 3)])]


# --- reductions and products ----------------------------------------------------------------------


@of("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
    "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare")  # fmt: skip
def reduction(case):
    x = case.positive(case.shape())
    case.data = [x if case.operator == "ReduceLogSum" else case.normal(x.shape)]
    case.choose(keepdims=[0, 1])
    if case.some(0.3):
        case.choose(noop_with_empty_axes=[0, 1])
    elif case.some(0.3) and case.operator != "ReduceSum":
        case.opset, case.attributes["axes"] = 13, case.axes(x.ndim)
    elif case.some(0.8):
        case.constants = [whole(*case.axes(x.ndim))]


@of("ArgMax", "ArgMin")
def place_of_largest(case):
    case.data = [case.normal(case.shape()).round()]
    case.attributes["axis"] = case.axis(case.data[0].ndim)
    case.choose(keepdims=[0, 1], select_last_index=[0, 1])


@of("TopK")
def largest(case):
    x = case.normal(case.shape())
    axis = case.attributes["axis"] = case.axis(x.ndim)
    case.data, case.constants = [x], [whole(case.number(1, x.shape[axis] + 1))]
    case.outputs = 2
    case.choose(largest=[0, 1])


@of("CumSum")
def sums_so_far(case):
    any_number(case)
    case.constants = [np.array(case.axis(case.data[0].ndim), np.int32)]
    case.choose(exclusive=[0, 1], reverse=[0, 1])


@of("Softmax", "LogSoftmax", "Hardmax", "LpNormalization")
def along_an_axis(case):
    any_number(case)
    case.choose(axis=[case.axis(case.data[0].ndim)])
    if case.operator == "LpNormalization":
        case.choose(p=[1, 2])


@of("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")
def loss(case):
    shape = (case.number(1, 4), case.number(2, 5), *case.shape(case.number(0, 3)))
    labels = case.random.integers(0, shape[1], (shape[0], *shape[2:]))
    labels.ravel()[0] = 1
    case.data, case.constants = [case.normal(shape), labels], []
    if case.some():
        case.constants = [case.positive((shape[1],))]
    case.choose(ignore_index=[0], reduction=["none", "sum", "mean"])
    if case.operator == "SoftmaxCrossEntropyLoss":
        case.outputs = case.number(1, 3)


@of("Attention")
def queries(case):
    B, T, S, d = case.shape(4)
    shared, groups = case.number(1, 3), case.number(1, 3)
    heads = shared * groups
    shapes = [(B, heads, T, d), (B, shared, S, d), (B, shared, S, d)]
    if case.some():
        shapes = [(B, length, count * size) for _, count, length, size in shapes]
        case.attributes |= dict(q_num_heads=heads, kv_num_heads=shared)
    case.data, case.opset = [case.normal(shape) for shape in shapes], 23
    case.choose(scale=[0.3], softcap=[0.0], is_causal=[1])
    if "is_causal" not in case.attributes and case.some():
        case.constants = [case.normal((T, S))]


@of("Gemm")
def product_and_sum(case):
    m, k, n = case.shape(3)
    case.choose(transA=[0, 1], transB=[0, 1], alpha=[0.5], beta=[2.0])
    turned = [case.attributes.get(name) for name in ("transA", "transB")]
    case.data = [case.normal((k, m) if turned[0] else (m, k))]
    case.constants = [case.normal((n, k) if turned[1] else (k, n))]
    if case.some():
        case.constants.append(case.normal([(m, n), (n,), (m, 1), ()][case.number(0, 4)]))


@of("MatMul")
def product(case):
    m, k, n, B = case.shape(4)
    case.data = [case.normal([(m, k), (B, m, k), (k,), (1, m, k)][case.number(0, 4)])]
    case.constants = [case.normal([(k, n), (B, k, n), (k,)][case.number(0, 3)])]


@of("Einsum")
def sum_of_products(case):
    i, j, k = case.shape(3)
    case.data, case.constants = [case.normal((i, j))], [case.normal((j, k))]
    case.attributes["equation"] = ["ij,jk->ik", "ij,jk", "ij,jk->ki", "ij,jk->"][case.number(0, 4)]


@of("Det")
def determinant(case):
    size = case.number(1, 4)
    case.data = [case.normal((2, size, size))]


# --- shapes and places ----------------------------------------------------------------------------


@of("Transpose")
def order_of_axes(case):
    any_number(case)
    case.choose(perm=[case.random.permutation(case.data[0].ndim).tolist()])


@of("Reshape")
def other_shape(case):
    shape = case.shape(3)
    case.data = [case.normal(shape)]
    shapes = [(-1,), (0, -1), (shape[2], *shape[:2]), (0, 0, -1), (1, -1, shape[1])]
    case.constants = [whole(*shapes[case.number(0, 5)])]


@of("Flatten")
def matrix(case):
    any_number(case)
    ndim = case.data[0].ndim
    case.choose(axis=[case.number(-ndim, ndim + 1)])


@of("Squeeze")
def fewer_axes(case):
    case.data = [case.normal((1, 3, 1, 2))]
    case.constants = [[], [whole(0)], [whole(-2, 0)]][case.number(0, 3)]


@of("Unsqueeze")
def more_axes(case):
    case.data = [case.normal(case.shape(2))]
    case.constants = [whole(*case.axes(4)[:2])]
    case.data[0] = case.normal(case.shape(4 - case.constants[0].size))


@of("Concat")
def joined(case):
    shape = case.shape()
    axis = case.attributes["axis"] = case.axis(len(shape))
    for _ in range(case.number(1, 4)):
        sizes = list(shape)
        sizes[axis] = case.number(1, 4)
        case.data.append(case.normal(sizes))


@of("Split")
def parts(case):
    x = case.normal(case.shape(None, 2, 7))
    axis = case.attributes["axis"] = case.axis(x.ndim)
    case.data, size = [x], x.shape[axis]
    how = case.number(0, 3)
    case.outputs = int(case.random.choice([n for n in range(1, size + 1) if size % n == 0]))
    if how == 0:
        case.opset = 13
    if how == 1:
        case.attributes["num_outputs"] = case.outputs = 1 + (size > 1)
    if how == 2:
        cuts = sorted(case.random.integers(0, size + 1, case.outputs - 1).tolist())
        case.constants = [whole(*np.diff([0, *cuts, size]))]


@of("Slice")
def cut(case):
    x = case.normal(case.shape(None, 2, 7))
    axes = case.axes(x.ndim)
    starts, ends, steps = [], [], []
    for axis in axes:
        size = x.shape[axis]
        step = int(case.random.choice([1, 2, 3, -1, -2]))
        far = 2**62 if step > 0 else -(2**62)
        starts.append(case.number(-size - 2, size + 3))
        ends.append(int(case.random.choice([case.number(-size - 2, size + 3), far])))
        steps.append(step)
    case.data, case.constants = [x], [whole(*each) for each in (starts, ends, axes, steps)]


@of("Gather", "GatherElements")
def taken(case):
    x = case.normal(case.shape())
    axis = case.attributes["axis"] = case.axis(x.ndim)
    shape = case.shape(case.number(0, 3))
    if case.operator == "GatherElements":
        shape = [case.number(1, size + 1) for size in x.shape]
    at = case.random.integers(-x.shape[axis], x.shape[axis], shape)
    case.data, case.constants = [x], [np.asarray(at, np.int64)]


@of("GatherND")
def taken_at_places(case):
    x, batch = case.normal(case.shape(3, 2, 5)), case.number(0, 2)
    count = case.number(1, 4 - batch)
    shape = (*x.shape[:batch], *case.shape(case.number(1, 3)))
    columns = [case.random.integers(-size, size, shape) for size in x.shape[batch : batch + count]]
    case.attributes["batch_dims"] = batch
    case.data, case.constants = [x], [np.stack(columns, -1)]


@of("ScatterElements")
def replaced(case):
    x, axis = case.normal(case.shape(2, 2, 5)), case.number(0, 2)
    sizes = [case.number(1, size + 1) for size in x.shape]
    whole_sizes = [x.shape[n] if n == axis else sizes[n] for n in range(2)]
    order = np.argsort(case.random.random(whole_sizes), axis=axis).take(range(sizes[axis]), axis)
    case.attributes["axis"] = axis
    case.choose(reduction=["none", "add"])
    case.data, case.constants = [x], [order, case.normal(sizes)]


@of("ScatterND")
def replaced_at_places(case):
    x, count = case.normal(case.shape(3, 2, 5)), case.number(1, 4)
    total = int(np.prod(x.shape[:count]))
    chosen = case.random.permutation(total)[: case.number(1, total + 1)]
    places = np.stack(np.unravel_index(chosen, x.shape[:count]), -1).astype(np.int64)
    case.choose(reduction=["none", "add"])
    case.data, case.constants = [x], [places, case.normal((len(chosen), *x.shape[count:]))]


@of("Pad")
def around(case):
    x = case.normal(case.shape(None, 3, 6))
    mode = ["constant", "edge", "reflect"][case.number(0, 3)]
    widths = case.random.integers(-1 if mode == "constant" else 0, 3, 2 * x.ndim)
    case.data, case.constants = [x], [whole(*widths)]
    if mode != "constant" or case.some():
        case.attributes["mode"] = mode
    if mode == "constant" and case.some():
        case.constants.append(np.array(0.7, F))


@of("Expand", "Tile")
def repeated(case):
    shape = case.shape()
    case.data = [case.normal([1 if case.some(0.4) else size for size in shape])]
    sizes = shape if case.operator == "Expand" else case.random.integers(1, 4, len(shape))
    case.constants = [whole(*sizes)]


@of("Trilu")
def triangle(case):
    case.data = [case.normal(case.shape(case.number(2, 4)))]
    case.choose(upper=[0, 1])
    case.constants = [np.array(case.number(-3, 4), np.int64)] if case.some() else []


@of("DepthToSpace", "SpaceToDepth")
def blocks(case):
    deep = case.operator == "DepthToSpace"
    case.data = [case.normal((2, 8, 2, 3) if deep else (2, 3, 4, 6))]
    case.attributes["blocksize"] = 2
    if deep:
        case.choose(mode=["DCR", "CRD"])


@of("ReverseSequence")
def turned(case):
    T, B = case.shape(2, 2, 6)
    by_batch = case.some()
    case.data = [case.normal((B, T, 2) if by_batch else (T, B, 2))]
    case.attributes = dict(time_axis=int(by_batch), batch_axis=int(not by_batch))
    case.constants = [case.random.integers(1, T + 1, B)]


@of("OneHot")
def one_of_many(case):
    case.data = [case.random.integers(-4, 4, case.shape())]
    case.choose(axis=[-1, 0, case.axis(case.data[0].ndim + 1)])
    case.constants = [whole(5)[0], np.array([0.2, 1.5], F)]


@of("ConstantOfShape", "EyeLike", "Range")
def made_of_sizes(case):
    if case.operator == "EyeLike":
        case.data = [case.normal(case.shape(2))]
        case.choose(k=[-1, 1], dtype=[1, 7])
        return
    case.data = [whole(*case.shape())]
    if case.operator == "ConstantOfShape":
        value = peer("onnx").numpy_helper.from_array(np.array([2.5], F))
        case.choose(value=[value])
    else:
        case.data = [np.array(number) for number in (1, case.number(2, 9), 2)]


# --- windows and normalizations -------------------------------------------------------------------


def place_windows(case, widths, several_dilations=True, pads_below=3):
    """Draw strides, dilations and what is put around."""
    n = len(widths)
    case.choose(strides=[list(case.shape(n, 1, 4))])
    if several_dilations:
        case.choose(dilations=[list(case.shape(n, 1, 3))])
    how = case.random.random()
    if how < 0.5:
        most = [min(width, pads_below) for width in (*widths, *widths)]
        case.attributes["pads"] = [case.number(0, high) for high in most]
    elif how < 0.7:
        padding = str(case.random.choice(["SAME_UPPER", "SAME_LOWER", "VALID"]))
        case.attributes["auto_pad"] = padding
        if padding != "VALID":  # which onnxruntime refuses
            case.attributes.pop("dilations", None)


@of("Conv", "ConvTranspose")
def convolution(case):
    n, groups = case.number(1, 3), case.number(1, 3)
    widths, turned = case.shape(n, 1, 4), case.operator == "ConvTranspose"
    out, channels = case.number(1, 3), case.number(1, 3)
    place_windows(case, widths)
    if turned and case.attributes.get("auto_pad", "VALID") != "VALID":
        del case.attributes["auto_pad"]
    if turned and "auto_pad" not in case.attributes:
        steps = case.attributes.get("strides", [1] * n)
        case.choose(output_padding=[[case.number(0, step) for step in steps]])
    case.attributes["group"] = groups
    case.choose(kernel_shape=[list(widths)])
    kernel = (channels * groups, out) if turned else (out * groups, channels)
    case.data = [case.normal((2, channels * groups, *case.shape(n, 5, 9)))]
    case.constants = [case.normal((*kernel, *widths))]
    if case.some():
        case.constants.append(case.normal((out * groups,)))


@of("MaxPool", "AveragePool", "LpPool")
def pooling(case):
    n, name = case.number(1, 3), case.operator
    widths = case.shape(n, 1, 4)
    case.opset = 19
    place_windows(case, widths, several_dilations=name == "MaxPool")
    case.attributes["kernel_shape"] = list(widths)
    if "auto_pad" not in case.attributes and name != "LpPool":
        case.choose(ceil_mode=[0, 1])
    if name == "AveragePool":
        case.choose(count_include_pad=[0, 1])
    if name == "LpPool":
        case.choose(p=[1, 2, 3])
    case.data = [case.normal((2, 2, *case.shape(n, 6, 10)))]


@of("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def whole_axes(case):
    case.data = [case.normal((2, 3, *case.shape(case.number(1, 4))))]
    if case.operator == "GlobalLpPool":
        case.choose(p=[1, 2, 3])


@of("Resize")
def other_sizes(case):
    mode = ["nearest", "linear", "cubic"][case.number(0, 3)]
    x = case.normal((1, 2, *case.shape(2, 2, 6)))
    case.attributes["mode"] = mode
    hows = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
    case.choose(coordinate_transformation_mode=hows)
    if mode == "nearest":
        case.choose(nearest_mode=["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
    if mode == "cubic":
        case.choose(cubic_coeff_a=[-0.5], exclude_outside=[0, 1])
    if case.some():
        scales = [1.0, 1.0, *case.random.choice([0.5, 1.0, 1.5, 2.0], 2)]
        case.constants = [None, np.array(scales, F)]
    else:
        case.constants = [None, None, whole(*x.shape[:2], *case.shape(2, 1, 9))]
    case.data = [x]


@of("LayerNormalization", "RMSNormalization")
def of_last_axes(case):
    x = case.normal(case.shape(None, 2, 5))
    axis = case.axis(x.ndim)
    case.attributes["axis"] = axis
    case.choose(epsilon=[1e-2])
    shape = x.shape[axis % x.ndim :]
    case.data, case.constants = [x], [case.normal(shape)]
    if case.operator == "RMSNormalization":
        case.opset = 23
    elif case.some():
        case.constants.append(case.normal(shape))


@of("BatchNormalization", "InstanceNormalization", "GroupNormalization")
def of_channels(case):
    groups = case.number(1, 4)
    C = groups * case.number(1, 3)
    x = case.normal((2, C, *case.shape(2, 2, 4)))
    case.data, case.constants = [x], [case.normal((C,)), case.normal((C,))]
    case.choose(epsilon=[1e-2])
    if case.operator == "BatchNormalization":
        case.constants += [case.normal((C,)), case.positive((C,))]
        case.choose(momentum=[0.5], training_mode=[0])
    if case.operator == "GroupNormalization":
        case.opset, case.attributes["num_groups"] = 21, groups


@of("LRN", "MeanVarianceNormalization")
def of_planes(case):
    case.data = [case.normal((2, 5, 3, 3))]
    if case.operator == "LRN":
        case.attributes |= dict(size=2 * case.number(0, 3) + 1, alpha=0.3)
        case.choose(beta=[0.6], bias=[1.5])
    else:
        case.choose(axes=[[0, 2], [1, 2, 3]])


def drawn(operator, seed):
    """Return a random case of an operator."""
    case = Case([seed, sum(map(ord, operator))])
    case.operator = operator
    if operator == "Swish":
        case.opset = 24
    CASES[operator](case)
    return case
