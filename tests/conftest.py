"""Lets a failed assertion of the support show its values, as one of a test does."""

import pytest

pytest.register_assert_rewrite("support")
