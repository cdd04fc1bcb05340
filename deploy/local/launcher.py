"""Launcher that executes another program and makes it end with the process that started it.

Started by path with an isolated interpreter (see `process.Command`), so it imports no module of ours.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent, death_signal, uid, gid = (int(argument) for argument in arguments[:4])
    if uid >= 0:
        switch_user(uid, gid)
    end_with_parent(parent, death_signal)
    program = arguments[4:]
    os.execvp(program[0], program)  # noqa: S606 (the caller chose the program, no shell is involved)


def switch_user(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def end_with_parent(parent: int, death_signal: int) -> None:
    """Ask the kernel to signal us when the parent dies; call it after `switch_user`, which would reset it."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("launcher: the parent of this program has ended")


if __name__ == "__main__":
    main(sys.argv[1:])
