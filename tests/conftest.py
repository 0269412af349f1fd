"""Lets the support's assertions show their values, and makes few items of many cases."""

import pytest

pytest.register_assert_rewrite("support")

from support.cases import joined  # noqa: E402


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Join the cases that are chosen to run."""
    items[:] = joined(items)
