"""Holds scopes, steps and modes to where they begin and end."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import itertools
import pickle
import random
import sys
import threading

import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.engine.place import ROOT, Packed, here


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


@pytest.mark.parametrize("given", [None, 3, "f"])
def test_only_functions_are_decorated(given):
    for inside in (tg.no_grad(), tg.enable_grad(), tg.scope("s")):
        with pytest.raises(tg.UsageError, match=f"found {type(given).__name__} to decorate"):
            inside(given)


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


# --- what threads, tasks and generators share ----------------------------------------------------


def run_in_threads(work, count=6):
    """Run ``work(k)`` in threads that take turns at every few instructions."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        in_threads(*[lambda k=k: work(k) for k in range(count)])
    finally:
        sys.setswitchinterval(interval)


def run_in_tasks(work, count=5):
    async def run_all():
        await asyncio.gather(*[work(k) for k in range(count)])

    asyncio.run(run_all())


BLOCKS = {
    "scope": (lambda: tg.scope("s"), ".s", True),
    "no_grad": (tg.no_grad, "", False),
    "enable_grad": (tg.enable_grad, "", True),
}


@pytest.mark.parametrize("which", BLOCKS)
class TestOneBlock:
    def test_is_shared_by_threads(self, x, which):
        make, suffix, recording = BLOCKS[which]
        shared = make()

        def work(k):
            with tg.scope(f"t{k}"):
                for _ in range(100):
                    with shared:
                        y = x * x
                        assert (y.place.path(), y.requires_grad) == (f"t{k}{suffix}", recording)
                    y = x * x
                    assert (y.place.path(), y.requires_grad) == (f"t{k}", True)

        run_in_threads(work)

    def test_is_shared_by_tasks(self, x, which):
        make, suffix, recording = BLOCKS[which]
        shared = make()

        async def work(k):
            with tg.scope(f"t{k}"):
                for turn in range(10):
                    with shared:
                        await asyncio.sleep(1e-4 * ((k * 7 + turn) % 3))
                        y = x * x
                        assert (y.place.path(), y.requires_grad) == (f"t{k}{suffix}", recording)
                    assert here.get().path() == f"t{k}"

        run_in_tasks(work)

    def test_that_an_abandoned_generator_never_left_ends_with_the_block_around_it(self, which):
        make = BLOCKS[which][0]

        def wait_inside():
            with make():
                yield
                yield

        with tg.scope("outer"):
            abandoned = wait_inside()
            next(abandoned)
        assert here.get() is ROOT
        with tg.scope("outer"):
            inside = here.get()
            abandoned.close()
            assert here.get() is inside
        assert here.get() is ROOT


def test_blocks_that_are_left_in_the_wrong_order_leave_nothing_behind():
    one, other = tg.scope("one"), tg.no_grad()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    other.__exit__(None, None, None)
    assert here.get() is ROOT


def test_threads_that_share_steps_run_through_all_of_them_each(x):
    shared = tg.steps(200)

    def work(k):
        with tg.scope(f"t{k}"):
            run = []
            for step in shared:
                run.append(step)
                assert (x * x).place.path() == f"t{k}[{step}]"
            assert run == list(range(200))
            assert here.get().path() == f"t{k}"

    run_in_threads(work)


def test_threads_that_ask_one_iterator_for_steps_share_them_out(x):
    shared, run = tg.steps(1000), []

    def work(k):
        with tg.scope(f"t{k}"):
            while (step := next(shared, None)) is not None:
                run.append(step)
                assert (x * x).place.path() == f"t{k}[{step}]"
            assert here.get().path() == f"t{k}"

    run_in_threads(work)
    assert sorted(run) == list(range(1000))


def test_tasks_may_share_steps(x):
    shared = tg.steps(20)

    async def work(k):
        with tg.scope(f"t{k}"):
            for step in shared:
                await asyncio.sleep(0)
                assert (x * x).place.path() == f"t{k}[{step}]"
            assert here.get().path() == f"t{k}"

    run_in_tasks(work)


def test_steps_stand_where_they_are_run_not_where_they_were_made(x):
    ahead = [tg.steps(2), tg.steps(2)]
    with tg.scope("net"), tg.no_grad():
        for k in ahead[0]:
            y = x * x
            assert (y.place.path(), y.requires_grad) == (f"net[{k}]", False)
        assert here.get().path() == "net"
    for outer in tg.steps(2):
        for k in ahead[1]:
            assert (x * x).place.path() == f"[{outer}][{k}]"
        assert (x * x).place.path() == f"[{outer}]"
    assert here.get() is ROOT


def loop_with_zip():
    for _ in zip(tg.steps(5), [1, 2, 3]):
        pass


def loop_over_a_name_in_a_block():
    pairs = zip(tg.steps(5), [1, 2, 3])
    with tg.scope("s"):
        for _ in pairs:
            pass
    assert here.get() is ROOT
    del pairs


def drop_an_iterator():
    once = tg.steps(3)
    next(once)
    assert here.get().path() == "[0]"
    del once


def close_a_generator_inside_a_block():
    def hand_on():
        yield from tg.steps(3)

    generator = hand_on()
    next(generator)
    with tg.scope("s"):
        inside = here.get()
        generator.close()
        assert here.get() is inside


def leave_an_inner_loop_and_the_outer_one():
    for _ in tg.steps(3):
        inner = iter(tg.steps(2))
        next(inner)
        break
    assert here.get() is ROOT
    del inner


def free_an_iterator_at_another_place():
    holder = [iter(tg.steps(3))]
    holder.append(holder)
    next(holder[0])
    with tg.scope("s"), tg.scope("t"):
        inside = here.get()
        del holder
        gc.collect()
        assert here.get() is inside


def free_an_iterator_of_another_thread():
    holder = [iter(tg.steps(3))]
    in_threads(lambda: next(holder[0]))
    with tg.scope("s"):
        inside = here.get()
        holder.clear()
        assert here.get() is inside


def call_a_module_that_keeps_an_iterator():
    class Kept(tg.nn.Module):
        def forward(self, x):
            self.pairs = zip(tg.steps(5), [1])
            return [k for k, _ in self.pairs]

    kept = Kept()
    kept(1.0)
    assert here.get() is ROOT
    del kept


@pytest.mark.parametrize(
    "leave",
    [
        loop_with_zip, loop_over_a_name_in_a_block, drop_an_iterator,
        close_a_generator_inside_a_block, leave_an_inner_loop_and_the_outer_one,
        free_an_iterator_at_another_place, free_an_iterator_of_another_thread,
        call_a_module_that_keeps_an_iterator,
    ],
)  # fmt: skip
def test_step_ends_with_its_iterator(leave):
    leave()
    assert here.get() is ROOT


@pytest.mark.parametrize("seed", range(20))
def test_any_nest_of_blocks_and_loops_ends_where_it_began(seed):
    draw = random.Random(seed)

    def wander(depth):
        before = here.get()
        for _ in range(draw.randrange(1, 4)):
            kind = draw.randrange(5) if depth else 5
            if kind == 0:
                with tg.scope("s"):
                    wander(depth - 1)
            elif kind == 1:
                with tg.no_grad():
                    wander(depth - 1)
            elif kind == 2:
                for k, _ in zip(tg.steps(3), range(draw.randrange(4))):
                    assert here.get().step == k
                    wander(depth - 1)
                    if draw.random() < 0.3:
                        break
            elif kind == 3:
                with contextlib.suppress(ZeroDivisionError):
                    for _ in tg.steps(2):
                        with tg.scope("s"):
                            wander(depth - 1)
                            raise ZeroDivisionError
            elif kind == 4:
                tg.scope("f")(wander)(depth - 1)
            assert here.get() is before

    wander(4)
    assert here.get() is ROOT


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, *[lambda t, n=n: pickle.loads(pickle.dumps(t, n)) for n in range(6)]]
)
def test_places_of_any_depth_are_copied_and_shared_as_they_were(copied):
    with contextlib.ExitStack() as blocks:
        leaves = []
        for k in range(1500):
            blocks.enter_context(tg.scope(f"s{k}"))
            leaves.append(tg.Tensor(1.0, name="x"))
    twins = copied(leaves)
    assert twins[-1].label() == leaves[-1].label()
    for inner, outer in itertools.pairwise(reversed(twins)):
        assert inner.place.parent is outer.place


def test_steps_run_backwards_as_a_range_does():
    assert list(reversed(tg.steps(3))) == [2, 1, 0]
    assert list(reversed(tg.steps(range(1, 6, 2)))) == [5, 3, 1]
