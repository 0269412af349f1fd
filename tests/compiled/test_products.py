"""The products of matrices in C, and the pass that packs what a loop does not change."""

import ctypes

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.compilers import needs_a_compiler
from tinygrad_lstm.compiled.accessors import array
from tinygrad_lstm.compiled.build import load, numpys_products
from tinygrad_lstm.compiled.packing import MOST_COLUMNS, pack_matrices
from tinygrad_lstm.compiled.statements import Entries, Product

RUN = """
#include "mathematics.c"
#include "products.c"
void run(real **x, real *c, real *packed, const long *s, const library *numpys)
{
    if (packed) {
        pack(s[2], s[1], x[1], s[5], s[6], packed);
        multiply_packed(numpys, s[0], s[1], s[2], x[0], x[1], packed, c, s[3], s[4], s[5], s[6],
                        s[7], s[8]);
    } else multiply(numpys, s[0], s[1], s[2], x[0], x[1], c, s[3], s[4], s[5], s[6], s[7], s[8]);
}
"""

SMALL_VECTORS = "#undef __AVX512F__\n"

pytestmark = [needs_a_compiler]


def matrix(random, rows, columns, is_turned, gap, dtype):
    """Return a matrix of which each row, or column, lies a gap away from the next one."""
    shape = (columns, rows + gap) if is_turned else (rows, columns + gap)
    whole = random.standard_normal(shape).astype(dtype)
    return whole[:, :rows].T if is_turned else whole[:, :columns]


def multiply(a, b, c, adds, is_packed, before=""):
    """Run the product in C, into c."""
    dtype = c.dtype
    (m, k), n, size = a.shape, b.shape[1], dtype.itemsize
    strides = [s // size for s in (*a.strides, *b.strides, c.strides[0])]
    sizes = (ctypes.c_long * 9)(m, n, k, *strides, adds)
    pointers = (ctypes.c_void_p * 2)(a.ctypes.data, b.ctypes.data)
    packed = np.full((n + MOST_COLUMNS - 1) * k, np.nan, dtype)
    text = before + RUN if size == 8 else f"{before}#define REAL_IS_FLOAT\n{RUN}"
    library = numpys_products(dtype)
    load(text)(
        ctypes.addressof(pointers), c.ctypes.data, packed.ctypes.data if is_packed else None,
        ctypes.addressof(sizes), ctypes.addressof(library),
    )  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("before", ["", SMALL_VECTORS], ids=["all vectors", "small vectors"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_products_of_all_sizes_and_layouts_are_numpys(dtype, is_packed, before):
    random = np.random.default_rng(0)
    for _ in range(400):
        m, n, k = (int(random.integers(0, high)) for high in (30, 150, random.choice([9, 600])))
        a_turned, b_turned, adds = map(bool, random.integers(0, 2, 3))
        a = matrix(random, m, k, a_turned, random.integers(0, 3), dtype)
        b = matrix(random, k, n, b_turned, random.integers(0, 3), dtype)
        whole = random.standard_normal((m, n + 2)).astype(dtype)
        c, beside = whole[:, :n], whole[:, n:].copy()
        expected = (c if adds else 0) + a.astype(float) @ b.astype(float)
        multiply(a, b, c, adds, is_packed, before)
        scale = np.abs(a).astype(float) @ np.abs(b).astype(float) + np.abs(expected) + 1
        assert np.all(np.abs(c - expected) <= 4 * np.sqrt(k + 1) * np.finfo(dtype).eps * scale)
        assert np.array_equal(whole[:, n:], beside)  # nothing is written beside the columns


def test_products_keep_what_is_not_finite_in_its_row_and_column():
    a, b, c = np.ones((9, 5)), np.ones((5, 7)), np.zeros((9, 7))
    a[2, 1], b[3, 4] = np.nan, np.inf
    for is_packed in (False, True):
        multiply(a, b, c, False, is_packed)
        assert np.array_equal(c, a @ b, equal_nan=True)


def arrays(name, shape):
    return array(name, shape)


def test_a_matrix_that_no_step_changes_is_packed_once():
    h, U, s = array("h", (8, 16)), array("U", (16, 64)), array("s", (8, 64))
    products = [Product(s, [h, U]), Product(s, [h, U], adds=True)]
    (pack,) = pack_matrices(products, arrays)
    assert pack.reads == [U]
    assert pack.target.shape == (64 + MOST_COLUMNS - 1, 16)
    assert all(x.reads == [h, U, pack.target] for x in products)


def test_a_matrix_that_a_step_changes_is_not_packed():
    h, U, s = array("h", (8, 16)), array("U", (16, 64)), array("s", (8, 64))
    body = [Product(s, [h, U]), Entries(U, [U], "{0} * 2")]
    assert pack_matrices(body, arrays) == []
    assert body[0].reads == [h, U]


@pytest.mark.parametrize("hidden", [5, 17, 40])
@pytest.mark.parametrize("batch", [1, 3, 5, 11])
def test_compiled_loops_with_packed_matrices_are_the_tapes(batch, hidden):
    random = np.random.default_rng(batch * hidden)
    U = tg.Tensor(random.standard_normal((hidden, hidden)) / 9, requires_grad=True, name="U")
    x = tg.Tensor(random.standard_normal((6, batch, hidden)), requires_grad=True, name="x")

    def loss_of(x):
        h = tg.Tensor(np.zeros((batch, hidden)), name="h")
        for k in tg.steps(6):
            h = tg.tanh(x[k] + h @ U - h @ U.T)
            h.name = "h"
        return tg.sum(h * h)

    loss_of(x).backward()
    expected = U.grad, x.grad
    U.grad = x.grad = None
    step = tg.compile(loss_of, strict=True)
    step(x).backward()
    if batch * hidden * hidden > 256:
        assert "multiply_packed" in step.source
    for leaf, gradient in zip((U, x), expected, strict=True):
        assert np.allclose(leaf.grad, gradient, rtol=1e-13, atol=1e-13)
