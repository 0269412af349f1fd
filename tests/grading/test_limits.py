"""Functions in processes of their own."""

from tinygrad_lstm.grading import limits
from tinygrad_lstm.grading.limits import NO_RESULT, Limits, Outcome, run_limited


def test_a_process_that_something_else_ended_runs_once_more(monkeypatch):
    outcomes = [Outcome(b"", NO_RESULT), Outcome(b"done", "")]
    monkeypatch.setattr(limits, "_run", lambda *arguments: outcomes.pop(0))
    assert run_limited(bytes, (), Limits()) == Outcome(b"done", "")


def test_a_process_with_a_reason_does_not(monkeypatch):
    outcomes = [Outcome(b"", "takes more than 30 seconds")]
    monkeypatch.setattr(limits, "_run", lambda *arguments: outcomes.pop(0))
    assert run_limited(bytes, (), Limits()).fault == "takes more than 30 seconds"
