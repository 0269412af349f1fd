"""Cases that run as one item: all of them run, and each failure is reported with its id."""

from types import SimpleNamespace

import pytest

from support.cases import Cases, CasesFailed, sample


def members(*results):
    """Return cases of a test that passes, fails or is skipped, and the list of those that ran."""
    ran = []

    def test(at):
        ran.append(at)
        if results[at] == "skip":
            pytest.skip("nothing here")
        if results[at] == "fail":
            pytest.fail("by hand")
        assert results[at] == "pass"

    cases = [
        SimpleNamespace(nodeid=f"test[{at}]", obj=test, callspec=SimpleNamespace(params={"at": at}),
                        repr_failure=lambda e: str(e.value))
        for at in range(len(results))
    ]  # fmt: skip
    return SimpleNamespace(members=cases), ran


def test_every_case_runs_and_every_failure_is_told():
    item, ran = members("pass", "wrong", "pass", "fail", "skip")
    with pytest.raises(CasesFailed) as failure:
        Cases.runtest(item)
    assert ran == [0, 1, 2, 3, 4]
    text = Cases.repr_failure(item, failure)
    assert text.startswith("2 of 5 cases failed")
    assert "test[1] failed:\n" in text and "test[3] failed:\nby hand" in text
    assert "test[0]" not in text and "test[4]" not in text


def test_a_case_that_is_skipped_is_told():
    item, ran = members("pass", "skip", "pass")
    with pytest.raises(pytest.skip.Exception, match="1 of 3 cases: nothing here"):
        Cases.runtest(item)
    assert ran == [0, 1, 2]


@pytest.mark.parametrize(("count", "kept"), [(1, [0]), (3, [0, 1, 2]), (7, [0, 2, 4]),
                                             (300, [0, 100, 200])])  # fmt: skip
def test_a_sample_is_spread_over_the_cases_of_each_test(count, kept):
    def cases(name, n, mark=None):
        closest = {mark: mark}.get
        return [SimpleNamespace(parent="file", originalname=name, at=at, get_closest_marker=closest)
                for at in range(n)]  # fmt: skip

    one, long, other = cases("one", count), cases("long", 2, "long"), cases("other", 1)
    chosen, left_out = sample([*one, *long, *other], 3)
    assert [case.at for case in chosen] == [*kept, 0] and chosen[-1] is other[0]
    assert len(chosen) + len(left_out) == count + 3


@pytest.mark.parametrize("case", range(3))
def test_cases_that_need_nothing_else_are_one_item(case):
    """This test runs as one item, unless one case of it is asked for."""
    assert case in (0, 1, 2)


@pytest.mark.parametrize("case", range(3))
def test_cases_that_need_a_fixture_run_by_themselves(case, request):
    assert request.node.callspec.params == {"case": case}
    for item in request.session.items:
        if item.name.startswith("test_cases_that_need_nothing_else"):
            most = request.config.getoption("--most-cases") or 3
            assert isinstance(item, Cases) and len(item.members) == min(3, most)
