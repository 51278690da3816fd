"""Runs a command that gets SIGTERM when its parent dies, even by kill -9: `python -m … PARENT COMMAND …`."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Asks the kernel to SIGTERM it when the parent dies (PR_SET_PDEATHSIG), then execs the command."""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":  # on other systems, the children of a killed supervisor must be ended by hand
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(parent):
            sys.exit("the supervisor is gone already")
    os.execv(command[0], command)  # noqa: S606 the supervisor's own command


if __name__ == "__main__":
    main()
