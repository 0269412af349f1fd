"""Child processes that run the command, each a fork of one that has imported the package already.

Knows processes alone. A child writes to pipes of its own, and ends as any program ends.
"""

import json
import os
import selectors
import socket
import subprocess
import sys
from time import monotonic
from types import SimpleNamespace

PARENT = """
import json, os, runpy, socket, sys
import tinygrad_lstm.check.report, tinygrad_lstm.cli.commands
line = socket.socket(fileno=int(sys.argv[1]))
while True:
    words, pipes, *_ = socket.recv_fds(line, 10**6, 2)
    if not words:
        sys.exit()
    child = os.fork()
    if not child:
        break
    for pipe in pipes:
        os.close(pipe)
    line.send(json.dumps(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
line.close()
for descriptor, pipe in zip((1, 2), pipes):
    os.dup2(pipe, descriptor)
    os.close(pipe)
sys.argv[1:] = json.loads(words)
runpy.run_module("tinygrad_lstm", run_name="__main__", alter_sys=True)
"""


class Parent:
    """A process of which each command is a fork; it ends with the block.

    >>> with Parent() as parent:
    ...     done = parent.run(["--help"])
    >>> done.returncode, done.stdout.startswith("usage: tinygrad-lstm"), done.stderr
    (0, True, '')
    """

    def __enter__(self):
        self.line, theirs = socket.socketpair()
        number = theirs.fileno()
        self.process = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(number)], pass_fds=[number], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        theirs.close()
        return self

    def __exit__(self, *error):
        self.line.close()
        _, complaints = self.process.communicate(timeout=120)
        assert not complaints, complaints

    def run(self, words):
        """Run the command with some words; return its status, and all that came out of its pipes.

        Until no process has the pipes any more: what goes on to write, is read.
        """
        pipes = [os.pipe() for _ in range(2)]
        socket.send_fds(self.line, [json.dumps(words).encode()], [into for _, into in pipes])
        for _, into in pipes:
            os.close(into)
        stdout, stderr = read([out for out, _ in pipes])
        self.line.settimeout(120)
        return SimpleNamespace(
            returncode=json.loads(self.line.recv(100)), stdout=stdout, stderr=stderr
        )


def read(pipes, seconds=120):
    """Return the text that comes out of pipes until their ends, and close them."""
    parts, until = {pipe: [] for pipe in pipes}, monotonic() + seconds
    with selectors.DefaultSelector() as waiting:
        for pipe in pipes:
            waiting.register(pipe, selectors.EVENT_READ)
        while waiting.get_map():
            assert monotonic() < until, "a process has the pipes still"
            for key, _ in waiting.select(timeout=1):
                part = os.read(key.fd, 1 << 16)
                parts[key.fd].append(part)
                if not part:
                    waiting.unregister(key.fd)
                    os.close(key.fd)
    return [b"".join(several).decode() for several in parts.values()]
