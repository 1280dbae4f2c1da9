"""Why a call to the outside has no answer. Messages name hosts, never headers or bodies."""


class OutboundError(Exception):
    """Base of all. The message is one sentence that says what is wrong and what to do."""


class RefusedError(OutboundError):
    """The address may not be called; no connection was made."""


class UnreachableError(OutboundError):
    """There was no connection, or no HTTP on it. It may be there later."""


class TooSlowError(OutboundError):
    """The answer was not complete at the deadline."""


class TooLargeError(OutboundError):
    """The answer has more bytes than were asked for."""
