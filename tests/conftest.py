"""Lets the support's assertions show their values, and makes few items of many cases."""

import gc

import pytest

pytest.register_assert_rewrite("support")

from support.cases import joined, sample  # noqa: E402


def pytest_addoption(parser):
    parser.addoption(
        "--most-cases", type=int, metavar="N",
        help="run N cases of each test at most, spread over all of them (default: every case)",
    )  # fmt: skip


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Join the cases that are chosen to run."""
    most = config.getoption("--most-cases")
    if most:
        items[:], left_out = sample(items, most)
        config.hook.pytest_deselected(items=left_out)
    items[:] = joined(items)


def pytest_collection_finish():
    """Let the collector leave alone what is loaded by now, which it would walk again and again."""
    gc.collect()
    gc.freeze()
