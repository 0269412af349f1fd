"""Holds scopes, steps and modes to where they begin and end."""

from __future__ import annotations

import pickle
import threading

import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.place import ROOT, Packed, here


@pytest.fixture
def x():
    return tg.Tensor(2.0, requires_grad=True, name="x")


def test_scopes_nest_in_the_path():
    with tg.scope("net"), tg.scope("cell"):
        assert here.get().path() == "net.cell"


def test_step_stands_after_the_scope_it_was_opened_in():
    with tg.scope("net"):
        for _ in tg.steps(range(3, 4)):
            with tg.scope("cell"):
                assert here.get().path() == "net.cell[3]"


def test_step_outside_of_any_scope():
    for _ in tg.steps(1):
        assert here.get().path() == "[0]"


def test_label_of_an_operation_in_a_scope_and_a_step(x):
    with tg.scope("net"):
        for _ in tg.steps(1):
            assert tg.tanh(x).label() == "net.tanh[0]"


def test_mode_adds_no_name():
    with tg.scope("net"), tg.no_grad():
        assert here.get().path() == "net"


@pytest.mark.parametrize(
    ("times", "found"),
    [(3, [0, 1, 2]), (range(2, -1, -1), [2, 1, 0]), (range(-1, 1), [-1, 0]), (0, [])],
    ids=str,
)
def test_steps(times, found):
    assert list(tg.steps(times)) == found


def test_steps_record_their_number_backwards_too(x):
    assert [(x * x).place.step for _ in tg.steps(range(2, -1, -1))] == [2, 1, 0]


def test_steps_nest():
    assert [here.get().path() for _ in tg.steps(2) for _ in tg.steps(1)] == ["[0][0]", "[1][0]"]


def test_loop_that_is_left_leaves_its_step():
    for _ in tg.steps(3):
        break
    assert here.get() is ROOT


def run_into_an_error(place):
    with place:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "make",
    [lambda: tg.scope("s"), tg.no_grad, tg.enable_grad],
    ids=["scope", "no_grad", "enable_grad"],
)
def test_error_inside_leaves_no_place_behind(make):
    with pytest.raises(ZeroDivisionError):
        run_into_an_error(make())
    assert here.get() is ROOT


def test_decorated_function_records_inside_the_scope_and_leaves_nothing_behind(x):
    @tg.scope("halved")
    def half(x, *, by):
        """Divide."""
        return x / by

    with tg.scope("outer"):
        assert half(x, by=x).place.path() == "outer.halved"
        assert here.get().path() == "outer"
        with pytest.raises(tg.DTypeError):
            half(x, by="nothing")
        assert here.get().path() == "outer"
    assert half.__doc__ == "Divide."


def test_error_inside_a_step_leaves_no_step_behind():
    def fail():
        for _ in tg.steps(3):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as held:  # with its frames
        fail()
    assert held.traceback
    assert here.get() is ROOT


def test_error_half_way_through_a_module_leaves_no_scope_behind():
    class Half(tg.nn.Module):
        def forward(self, x):
            with tg.no_grad():
                for _ in tg.steps(2):
                    raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Half()(1.0)
    assert here.get() is ROOT


def test_no_grad_records_nothing(x):
    with tg.no_grad():
        y = x * x
    assert (y.requires_grad, y.inputs, y.primitive) == (False, (), None)


def test_enable_grad_records_again(x):
    with tg.no_grad(), tg.enable_grad():
        assert (x * x).requires_grad


def test_no_grad_decorates_a_function(x):
    assert not tg.no_grad()(lambda: x * x)().requires_grad


def test_one_place_may_be_entered_again():
    twice = tg.scope("s")
    with twice, twice:
        assert here.get().path() == "s.s"
    assert here.get() is ROOT


def in_threads(*targets):
    """Run functions at once, one thread each; raise what they raise."""
    errors = []

    def guarded(target):
        try:
            target()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(target,)) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_no_grad_in_one_thread_leaves_the_others_recording(x):
    with tg.no_grad(), tg.scope("outer"):
        found = []
        in_threads(lambda: found.append(x * x))
    assert found[0].requires_grad
    assert found[0].place is ROOT


def test_decorated_function_in_two_threads_returns_each_to_its_place():
    inside = threading.Barrier(2, timeout=10)
    first_left = threading.Event()
    after = {}

    @tg.no_grad()
    def wait_inside(is_first):
        inside.wait()
        if not is_first:
            first_left.wait(10)

    def run(name, is_first):
        with tg.scope(name):
            wait_inside(is_first)
            after[name] = here.get().path()
            first_left.set()

    in_threads(lambda: run("one", True), lambda: run("two", False))
    assert after == {"one": "one", "two": "two"}


def test_two_threads_record_at_once():
    start = threading.Barrier(2, timeout=10)
    found = {}

    def work(name, value):
        w = tg.Tensor(value, requires_grad=True)
        start.wait()
        with tg.scope(name):
            y = w
            for _ in tg.steps(300):
                y = tg.sin(y * w)
        y.backward()
        found[name] = (w.grad.item(), y.label())

    in_threads(lambda: work("one", 0.7), lambda: work("two", 1.3))
    alone = dict(found)
    start = threading.Barrier(1)
    work("one", 0.7)
    work("two", 1.3)
    assert alone == found
    assert alone["one"][1] == "one.sin[299]"


def test_packed_name_is_a_name_with_parts():
    name = Packed("s", ("s_a", "s_i"))
    assert (name, name.parts) == ("s", ("s_a", "s_i"))


def generator():
    yield tg.Tensor(1.0, requires_grad=True) * 2


async def coroutine():
    return None


@pytest.mark.parametrize("lazy", [generator, coroutine])
@pytest.mark.parametrize("mode", [tg.no_grad, tg.enable_grad, lambda: tg.scope("s")])
def test_what_runs_after_its_call_cannot_be_decorated(mode, lazy):
    with pytest.raises(tg.UsageError, match=f"{lazy.__name__} runs after the call.*with block"):
        mode()(lazy)


def test_loops_that_run_side_by_side_leave_nothing_behind():
    for _ in zip(tg.steps(2), tg.steps(2), strict=True):
        pass
    assert tg.Tensor(1.0).place.path() == ""


def test_parts_are_of_one_width_unless_said_otherwise():
    assert Packed("s", ("s_a", "s_i")).widths == (1, 1)
    wide = Packed("s", ("s_a", "s_i"), (2, 1))
    twin = pickle.loads(pickle.dumps(wide))
    assert (twin, twin.parts, twin.widths) == ("s", ("s_a", "s_i"), (2, 1))
