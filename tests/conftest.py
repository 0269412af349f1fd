"""Lets the support's assertions show their values, and keeps the cases of a network together."""

import pytest

pytest.register_assert_rewrite("support")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Have one process run all tests of a planted case's network: its reports are made once."""
    for item in items:
        case = getattr(item, "callspec", None) and item.callspec.params.get("case")
        if network := getattr(case, "network", ""):
            item.add_marker(pytest.mark.xdist_group(network))
