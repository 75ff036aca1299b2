"""The memory that bodies of pictures may take between the first byte and the inspection."""

from __future__ import annotations

from threading import Condition
from time import monotonic

# A run that fetches sixteen pictures at the largest size at once would take 1 GiB.
BUDGET_BYTES = 256 << 20
_STEP = 1 << 20  # bytes that a reservation takes at a time


class ByteBudget:
    """Lets fetches receive while the bytes that wait for inspection leave room for more.

    While none waits for inspection, the fetch whose body began to arrive first may go on, so that
    one of them ends. All together therefore hold at most `size` bytes and one body.
    """

    def __init__(self, size: int = BUDGET_BYTES) -> None:
        self._size = size
        self._room = Condition()
        self._taken = 0
        self._whole = 0  # bytes of bodies that arrived whole: each is inspected and given back
        self._growing: list[Reservation] = []  # those with bytes, the oldest first
        self._is_closed = False

    @property
    def taken(self) -> int:
        """The bytes of all reservations."""
        with self._room:
            return self._taken

    def reserve(self) -> Reservation:
        """Return a reservation of no bytes, for one body."""
        return Reservation(self)

    def close(self) -> None:
        """Let every fetch go on: nobody inspects any more, so no room would be given back."""
        with self._room:
            self._is_closed = True
            self._room.notify_all()

    def take(self, reservation: Reservation, size: int) -> float:
        """Add bytes to a reservation as soon as there is room. Return the seconds waited."""
        began = monotonic()
        with self._room:
            if reservation not in self._growing:
                self._growing.append(reservation)
            self._room.wait_for(
                lambda: (
                    self._is_closed
                    or self._taken + size <= self._size
                    or (self._growing[0] is reservation and not self._whole)
                )
            )
            self._taken += size
        return monotonic() - began

    def arrived(self, reservation: Reservation, taken: int, size: int) -> None:
        """Count the `size` bytes of a whole body in place of those that were taken for it."""
        with self._room:
            if reservation in self._growing:
                self._growing.remove(reservation)
            self._taken += size - taken
            self._whole += size
            self._room.notify_all()

    def give_back(self, size: int) -> None:
        """Give back the bytes of a whole body."""
        with self._room:
            self._taken -= size
            self._whole -= size
            self._room.notify_all()


class Reservation:
    """The bytes of one body. One thread at a time uses it."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._taken = 0
        self._used = 0

    def grow(self, size: int) -> float:
        """Count `size` more bytes, as soon as there is room. Return the seconds waited."""
        self._used += size
        if self._used <= self._taken:
            return 0.0
        more = max(self._used - self._taken, _STEP)
        waited_s = self._budget.take(self, more)
        self._taken += more
        return waited_s

    def arrived(self, size: int) -> None:
        """Set the bytes of the whole body; nothing more comes."""
        self._budget.arrived(self, self._taken, size)
        self._taken = size

    def release(self) -> None:
        """Give all bytes back: the body is inspected."""
        self._budget.give_back(self._taken)
        self._taken = 0
