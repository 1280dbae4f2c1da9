"""Bytes that look random to all who lack a secret, and are the same each time. Pure.

A judge's markers must not be guessed by those whose texts are judged, and must
be the same when work goes on after a crash: else the journal of paid answers
would not know the question again.
"""

import hashlib
import hmac


class DerivedBytes:
    """A source of bytes for one subject: the n-th call gives the same in every process.

    HMAC-SHA-256 in counter mode over (subject, call, block), as a
    pseudo-random function is used in NIST SP 800-108r1, section 4.1.
    """

    def __init__(self, secret: bytes, subject: str) -> None:
        self._secret = secret
        self._subject = subject
        self._calls = 0

    def __call__(self, count: int) -> bytes:
        self._calls += 1
        made = b""
        while len(made) < count:
            message = f"{self._subject}\n{self._calls}\n{len(made)}".encode()
            made += hmac.new(self._secret, message, hashlib.sha256).digest()
        return made[:count]
