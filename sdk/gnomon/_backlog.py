"""The rows of a stream that were read and are not answered yet. Pure; its user holds a lock."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gnomon import _scoring
from gnomon._scoring import Metrics, Streamed
from gnomon.errors import GnomonError, InstanceInvalidError, InternalError
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import scorer_service_pb2 as scorer

ROWS_A_MESSAGE = 64
_MESSAGE_BYTES = 512 * 1024  # far below what a service takes
_MOST_ROWS = 2048  # more than a scorer reads ahead to fill its batches
_MOST_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StreamedRow:
    """One row. What cannot go through a stream leaves its place there to an empty instance.

    `error`: why there is no instance. `large`: an instance that goes alone, so
    that a service which refuses its size refuses nothing else.
    """

    sent: pb.Instance
    size_bytes: int = 0
    error: GnomonError | None = None
    large: pb.Instance | None = None

    @classmethod
    def of(cls, given: Streamed) -> "StreamedRow":
        """Return the row of an instance.

        Raises:
            InvalidRequestError: it is none.
        """
        if isinstance(given, GnomonError):
            return cls(pb.Instance(), error=given)
        try:
            message = _scoring.message_of(given)
        except InstanceInvalidError as error:
            return cls(pb.Instance(), error=error)
        size_bytes = message.ByteSize()
        if size_bytes > _MESSAGE_BYTES:
            return cls(pb.Instance(), size_bytes, large=message)
        return cls(message, size_bytes)


@dataclass(slots=True)
class Backlog:
    """Rows in their order: first those sent on the current stream, then those to be sent.

    `metrics` names the versions by their numbers once they are known, so that
    the next stream gets the same ones.
    """

    metrics: Metrics
    streams: int = 0  # how many were begun
    is_open: bool = False  # the current stream has told the versions
    is_closed: bool = False  # nobody wants results any more
    has_ended: bool = False  # the source has
    error: BaseException | None = None  # what the source raised
    _sent: deque[StreamedRow] = field(default_factory=deque)
    _unsent: deque[StreamedRow] = field(default_factory=deque)
    _size_bytes: int = 0

    def __len__(self) -> int:
        return len(self._sent) + len(self._unsent)

    @property
    def has_room(self) -> bool:
        return len(self) < _MOST_ROWS and self._size_bytes < _MOST_BYTES

    def add(self, rows: Iterable[StreamedRow]) -> None:
        for row in rows:
            self._unsent.append(row)
            self._size_bytes += row.size_bytes

    def begin(self) -> int:
        """Begin a stream: all that is not answered is to be sent again. Return its number."""
        self._unsent.extendleft(reversed(self._sent))
        self._sent.clear()
        self.is_open = False
        self.streams += 1
        return self.streams

    def is_current(self, stream: int) -> bool:
        return stream == self.streams and not self.is_closed

    def pin(self, versions: Sequence[str]) -> None:
        """Take the versions that the stream tells."""
        self.metrics = Metrics(self.metrics.given, tuple(versions))
        self.is_open = True

    def next_message(self) -> scorer.ScoreStreamRequest | None:
        """Return the next rows to send; None if there are none now."""
        instances: list[pb.Instance] = []
        size_bytes = 0
        while self.is_open and self._unsent and len(instances) < ROWS_A_MESSAGE:
            row = self._unsent[0]
            size_bytes += row.sent.ByteSize()
            if instances and size_bytes > _MESSAGE_BYTES:
                break
            instances.append(row.sent)
            self._sent.append(self._unsent.popleft())
        return scorer.ScoreStreamRequest(instances=instances) if instances else None

    @property
    def is_sent(self) -> bool:
        """Tell whether nothing is to be sent any more on this stream."""
        return self.is_open and self.has_ended and not self._unsent

    @property
    def is_quiet(self) -> bool:
        """Tell whether the stream was opened, and owes nothing: the source gives nothing now."""
        return self.is_open and not len(self)

    def oldest(self) -> StreamedRow:
        """Return the row that the next result is of."""
        if not self._sent:
            raise InternalError("The scorer gave more results than it was sent rows.")
        return self._sent[0]

    def answered(self) -> None:
        """Forget the oldest row: its result was given."""
        self._size_bytes -= self._sent.popleft().size_bytes
