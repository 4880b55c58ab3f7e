# python3 reap.py <program> <argument>... 3>report
# Runs a program, waits for it and for all processes that it leaves behind, and writes to descriptor 3, as JSON, what
# the kernel counted for each. What ended before the program is part of the program's own count. In Python because Node
# can neither adopt orphans nor ask what one child used; node-gyp needs it anyway.
import ctypes
import json
import os
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
REPORT = 3

prctl = ctypes.CDLL(None, use_errno=True).prctl
if prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) or prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
    raise OSError(ctypes.get_errno(), "prctl")
os.set_inheritable(REPORT, False)


def arguments(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


start = time.monotonic()
program = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
report = {"others": []}
left_behind = {}
while True:
    try:
        pid, status, used = os.wait4(-1, 0)
    except ChildProcessError:
        break
    cpu = (used.ru_utime + used.ru_stime) * 1000
    if pid != program:
        report["others"].append({"cpuMs": cpu, "arguments": left_behind.get(pid, [])})
        continue
    report.update(ms=(time.monotonic() - start) * 1000, cpuMs=cpu, status=os.waitstatus_to_exitcode(status))
    # Now, because a process that has ended has no arguments any more.
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        left_behind = {int(pid): arguments(pid) for pid in file.read().split()}
os.write(REPORT, json.dumps(report).encode())
