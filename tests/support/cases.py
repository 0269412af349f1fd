"""Many cases of one parametrized test run as one item: pytest's work for an item costs more.

Knows pytest and planted cases. Every case runs, and each case that fails is reported with its own
id, under which pytest runs the case alone.
"""

from itertools import groupby

import pytest

AT_ONCE = 25  # cases in an item: few enough that the items spread over the cores
PLAIN = {"parametrize", "long"}  # the marks of a test that needs nothing but its arguments


class Cases(pytest.Item):
    """Several cases of one test."""

    def __init__(self, *, members, **more):
        super().__init__(**more)
        self.members = members

    def runtest(self):
        failures, skipped = [], []
        for member in self.members:
            try:
                member.obj(**member.callspec.params)
            except pytest.skip.Exception as skip:
                skipped.append(skip)
            except (Exception, pytest.fail.Exception):
                failures.append((member, pytest.ExceptionInfo.from_current()))
        if failures:
            raise CasesFailed(failures)
        if skipped:
            pytest.skip(f"{len(skipped)} of {len(self.members)} cases: {skipped[0]}")

    def repr_failure(self, excinfo):
        if not isinstance(excinfo.value, CasesFailed):
            return super().repr_failure(excinfo)
        (failures,) = excinfo.value.args
        parts = [f"{member.nodeid} failed:\n{member.repr_failure(e)}" for member, e in failures]
        return "\n\n".join([f"{len(failures)} of {len(self.members)} cases failed", *parts])

    def reportinfo(self):
        path, line, _ = self.members[0].reportinfo()
        return path, line, self.name


class CasesFailed(Exception):
    """The cases that failed, with the error of each."""


def sample(items, most):
    """Return items with at most so many cases of each test, and the items that are left out.

    The cases that stay are spread evenly over all cases of the test, the first among them. A test
    that is marked as long is left out.
    """
    chosen, left_out = [], []
    for _, group in groupby(items, lambda item: (item.parent, getattr(item, "originalname", item))):
        cases = list(group)
        is_long = cases[0].get_closest_marker("long") is not None
        count = 0 if is_long else min(most, len(cases))
        places = {at * len(cases) // count for at in range(count)}
        for at, case in enumerate(cases):
            (chosen if at in places else left_out).append(case)
    return chosen, left_out


def joined(items):
    """Return items with neighbouring cases of one test as one item, `AT_ONCE` at most.

    All cases that share what is cached, such as those of one planted network, go to one process of
    xdist, whose cache has it: their reports, or layouts, are made once.
    """
    joint = []
    for test, group in groupby(items, _test):
        by_cache = {}
        for item in group:
            by_cache.setdefault(_cache(item) if test else "", []).append(item)
        for cache, members in by_cache.items():
            size = AT_ONCE if test else 1
            for at in range(0, len(members), size):
                part = members[at : at + size]
                alone = len(part) == 1 and not cache
                joint.append(part[0] if alone else _as_one(part, cache))
    return joint


def _test(item):
    """Return the test of a case; None for a test that has to run by itself."""
    if type(item) is not pytest.Function or not hasattr(item, "callspec"):
        return None
    needs_more = set(item.fixturenames) - set(item.callspec.params)
    marks = {mark.name for mark in item.iter_markers()}
    if needs_more or marks - PLAIN or getattr(item.obj, "is_hypothesis_test", False):
        return None
    return item.parent, item.originalname


def _cache(item):
    """Return which of the cached results a case reads: its planted network's, or its renderer's."""
    params = item.callspec.params
    return getattr(params.get("case"), "network", params.get("way", ""))


def _as_one(members, cache):
    first, more = members[0], len(members) - 1
    name = f"{first.name.removesuffix(']')} and {more} more]" if more else first.name
    # what xdist reads in an id: the rest after "@" is sent to one process
    group = f"@{cache}" if cache and hasattr(first.config, "workerinput") else ""
    nodeid = f"{first.parent.nodeid}::{name}{group}"
    return Cases.from_parent(first.parent, name=name, nodeid=nodeid, members=members)
