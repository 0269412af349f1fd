"""Peers that are absent: skipped and said so, or a failure where they have to be there."""

import pytest

from support.peers import peer


def test_an_absent_peer_is_skipped_and_said_so(monkeypatch):
    monkeypatch.delenv("PEERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"no_such_peer is not installed.*make peers"):
        peer("no_such_peer")


def test_an_absent_peer_is_a_failure_where_it_has_to_be_there(monkeypatch):
    monkeypatch.setenv("PEERS", "required")
    with pytest.raises(ModuleNotFoundError, match="no_such_peer"):
        peer("no_such_peer")


def test_a_peer_that_is_there_is_imported():
    assert peer("numpy").__name__ == "numpy"
