"""Starts a program for which memfd_create is refused, as a seccomp filter does.

    python refuse_memfd.py PROGRAM ARGUMENT...

The filter is four instructions of classic BPF (seccomp(2)): load the system call's
number, compare, answer EPERM or allow. x86-64 numbers only.
"""

import ctypes
import errno
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
SYS_MEMFD_CREATE = 319

LOAD_WORD = 0x20
JUMP_IF_EQUAL = 0x15
RETURN = 0x06
ALLOW = 0x7FFF0000
REFUSE = 0x00050000 | errno.EPERM

PROGRAM = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (LOAD_WORD, 0, 0, 0),
        (JUMP_IF_EQUAL, 0, 1, SYS_MEMFD_CREATE),
        (RETURN, 0, 0, REFUSE),
        (RETURN, 0, 0, ALLOW),
    )
)

if __name__ == "__main__":
    libc = ctypes.CDLL(None, use_errno=True)
    filters = ctypes.create_string_buffer(PROGRAM, len(PROGRAM))
    described = struct.pack("HP", len(PROGRAM) // 8, ctypes.addressof(filters))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        sys.exit("no_new_privs is refused")
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, described, 0, 0) != 0:
        sys.exit(f"seccomp is refused: {os.strerror(ctypes.get_errno())}")
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - that is what it is for
