"""The order of elements: a step that reads what is computed outside of its loop is refused."""

import pytest

from tinygrad_lstm.engine.kind import Kind
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.network.flow import Node
from tinygrad_lstm.network.wiring import Element, in_order


@pytest.mark.parametrize("outside", [True, False], ids=["computed outside", "collected"])
def test_a_step_that_reads_earlier_steps_from_outside_of_its_loop_is_named(outside):
    h = Element(Node(Kind.ELEMENTWISE, name="h(k)", loop=0), [])
    steps = Element(Node(Kind.COLLECT, name="h", loop=0), [h])
    mean = Element(Node(Kind.LINEAR, name="mean"), [steps])
    y = Element(Node(Kind.ELEMENTWISE, name="y(k)", loop=0), [mean if outside else steps])
    several = [h, steps, mean, y] if outside else [h, steps, y]
    name = "mean" if outside else "h"
    with pytest.raises(UsageError, match=f"a step reads {name}, which is computed outside"):
        in_order(several, lambda element: 0)
