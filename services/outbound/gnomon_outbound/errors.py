"""Why a call to the outside has no answer. Messages name hosts, never headers or bodies."""


class OutboundError(Exception):
    """Base of all. The message is one sentence that says what is wrong and what to do.

    `was_sent` tells whether the server may have got something of the request.
    """

    was_sent = False


class RefusedError(OutboundError):
    """The address may not be called; no connection was made."""


class UnreachableError(OutboundError):
    """There was no connection, or no HTTP on it. It may be there later."""


class TooSlowError(OutboundError):
    """The answer was not complete at the deadline."""


class BusyError(OutboundError):
    """No connection was free before the deadline: as many calls as there may be wait for this server."""


class TooLargeError(OutboundError):
    """The answer has more bytes than were asked for."""
