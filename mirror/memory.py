"""Whether memory has ended, and whether there is enough for a thread.

Little is imported here, as that takes memory.

CPython has no one error for it. Where an allocation fails it raises `MemoryError`, but a system
call fails with ENOMEM, the loader of a library with `ImportError`, a lock with `RuntimeError`
("can't allocate read lock"), and C code that forgot to say why with `SystemError` ("error return
without exception set").
"""

import errno

OUT_OF_MEMORY = (
    "mirror: out of memory; what was done is kept. Is one of the files it reads far larger than it "
    "should be? Else give it more memory and run again\n"
)
# The stack of a thread takes 8 MiB of address space, and its first objects a little more.
_THREAD_BYTES = 32 << 20
# A library of compiled code is mapped in one piece: the largest are pyarrow's of 46 MiB, which the
# report of an extra needs, and numpy's of 24 MiB.
_LARGEST_PIECE = 64 << 20  # bytes


def is_out_of_memory(error: BaseException) -> bool:
    """Return True if `error` was raised because memory, or the limit of a process, is used up."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, ImportError) and "failed to map segment" in str(error):
        return True
    return isinstance(error, (ImportError, RuntimeError, SystemError)) and _is_limit_near()


def has_room_for_thread() -> bool:
    """Return True if the address space that a thread needs is free.

    `Thread.start` waits for ever for a thread that has its stack and finds no memory for anything
    else (https://github.com/python/cpython/issues/140746).
    """
    try:
        from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap

        mmap(-1, _THREAD_BYTES, MAP_PRIVATE | MAP_ANONYMOUS).close()
    except (ImportError, OSError, MemoryError):
        return False
    return True


def _is_limit_near() -> bool:
    """Return True if this process once had nearly all the address space that it may have."""
    try:
        limit = _value("limits", b"Max address space")
        peak = _value("status", b"VmPeak:")
    except OSError as error:  # no such system
        return error.errno == errno.ENOMEM
    if not (limit.isdigit() and peak.isdigit()):  # "unlimited", or a system that keeps no peak
        return False
    return int(peak) * 1024 + _LARGEST_PIECE > int(limit)


def _value(name: str, label: bytes) -> bytes:
    """Return the first word behind `label` in a file that Linux keeps of this process, if any.

    The module `resource` would have to be loaded, which takes memory.
    """
    with open(f"/proc/self/{name}", "rb", 0) as file:  # noqa: PTH123  (pathlib takes memory too)
        words = file.read().partition(label)[2].split(None, 1)
    return words[0] if words else b""
