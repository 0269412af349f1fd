"""Lets the support's assertions show their values, and makes few items of many cases."""

import gc

import pytest

pytest.register_assert_rewrite("support")

from support.cases import joined  # noqa: E402


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Join the cases that are chosen to run."""
    items[:] = joined(items)


def pytest_collection_finish():
    """Let the collector leave alone what is loaded by now, which it would walk again and again."""
    gc.collect()
    gc.freeze()
