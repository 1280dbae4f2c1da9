"""Which of the addresses of a service a call goes to. Pure."""

from itertools import count


class Halves:
    """Two targets of gRPC: together all addresses of one target, and no address in both.

    Only a list (`ipv4:A,B`, `ipv6:[A],[B]`) can be halved; of anything else,
    such as a name, both are the whole.
    """

    def __init__(self, target: str) -> None:
        scheme, _, rest = target.partition(":")
        addresses = rest.split(",") if scheme in {"ipv4", "ipv6"} else []
        self._count = max(1, len(addresses))
        self.targets = (target, target)
        if len(addresses) > 1:
            even, odd = (",".join(addresses[first::2]) for first in (0, 1))
            self.targets = (f"{scheme}:{even}", f"{scheme}:{odd}")
        self._calls = count()  # may be shared by threads

    def first(self) -> int:
        """Return the half, 0 or 1, that the next call goes to first: each address gets its share."""
        return next(self._calls) % self._count % 2

    def after(self, half: int) -> int:
        """Return the half that a call goes to when one failed; the same where both are one."""
        return half if self._count == 1 else 1 - half
