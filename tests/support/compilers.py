"""The mark of a test that needs a C compiler."""

import pytest

from tinygrad_lstm.compiled.build import compiler
from tinygrad_lstm.errors import PackageError


def has_compiler() -> bool:
    try:
        return bool(compiler())
    except PackageError:
        return False


needs_a_compiler = pytest.mark.skipif(not has_compiler(), reason="there is no C compiler")
