"""Rows without end: read as they are scored, sent again where a stream breaks."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from contextlib import aclosing

from gnomon._async import concurrency
from gnomon._async.connection import AsyncConnection
from gnomon._backlog import ROWS_A_MESSAGE, Backlog, StreamedRow
from gnomon._retry import Attempts, is_transient
from gnomon._scoring import Metrics, Options, Outcome, Streamed, all_failed, request_of, row_of, rows_of
from gnomon.errors import CancelledError, GnomonError, ServiceUnavailableError
from gnomon.v1 import scorer_service_pb2 as scorer

_SERVICE = "gnomon.v1.ScorerService"


class AsyncRowStream:
    """The rows of one source. One task reads it, one sends, and the caller's receives.

    A stream that breaks is followed by another with the versions that the first
    one told, which goes on with what is not answered.
    """

    def __init__(
        self,
        connection: AsyncConnection,
        metrics: Metrics,
        source: Iterable[Streamed] | AsyncIterable[Streamed],
        options: Options,
    ) -> None:
        self._connection = connection
        self._options = options
        self._backlog = Backlog(metrics)
        self._changed = concurrency.Condition()
        self._source = concurrency.Reader(source, StreamedRow.of)

    @property
    def versions(self) -> dict[str, str]:
        """The version of each metric, by its number once a stream was begun."""
        metrics = self._backlog.metrics
        return dict(zip(metrics.given, metrics.versions, strict=True))

    async def scored(self) -> AsyncGenerator[dict[str, Outcome], None]:
        """Yield the outcomes of the rows in their order.

        Raises:
            Exception: what the source raised, after the outcomes of the rows before it.
            GnomonError: there was no progress for `timeout_s`, or what no other attempt would help.
        """
        timeout_s = self._options.timeout_s
        attempts = Attempts(self._connection.timeout_s if timeout_s is None else timeout_s)
        async with concurrency.beside(self._read):
            try:
                while True:
                    try:
                        async with aclosing(self._stream()) as rows:
                            async for row in rows:
                                yield row
                                attempts.restart()
                        break
                    except GnomonError as error:
                        failure = error
                    # What counts is the time without progress since a failure: neither the
                    # caller's own, nor that of a source which gave nothing to score.
                    if not attempts.failures or await self._is_quiet():
                        attempts.renew()
                    await concurrency.sleep(attempts.delay_after(failure))
            finally:
                await self._close()
        if self._backlog.error is not None:
            raise self._backlog.error

    async def _stream(self) -> AsyncGenerator[dict[str, Outcome], None]:
        """Yield what one stream gives."""
        async with self._changed:
            number = self._backlog.begin()
            self._changed.notify_all()
        answers = self._connection.duplex(
            f"{_SERVICE}/ScoreStream", self._requests(number), scorer.ScoreStreamResponse
        )
        async with aclosing(answers) as responses:
            async for response in responses:
                if response.metric_versions:
                    await self._pin(list(response.metric_versions))
                for result in response.results:
                    row = await self._outcomes(result)
                    async with self._changed:
                        self._backlog.answered()
                        self._changed.notify_all()
                    yield row
        if len(self._backlog) or not self._backlog.has_ended:
            raise ServiceUnavailableError("The scorer ended the stream before all rows were scored.")

    async def _is_quiet(self) -> bool:
        async with self._changed:
            return self._backlog.is_quiet

    async def _pin(self, versions: list[str]) -> None:
        async with self._changed:
            self._backlog.pin(versions)
            self._changed.notify_all()

    async def _outcomes(self, result: scorer.InstanceResult) -> dict[str, Outcome]:
        async with self._changed:
            row, metrics = self._backlog.oldest(), self._backlog.metrics
        if row.error is not None:
            return dict.fromkeys(metrics.given, row.error)
        if row.large is None:
            return row_of(metrics, result)
        request = request_of(metrics, [row.large], scorer.BULK)
        try:
            response = await self._connection.unary(
                f"{_SERVICE}/Score", request, scorer.ScoreResponse, timeout_s=self._options.timeout_s
            )
        except CancelledError:
            raise
        except GnomonError as error:
            if is_transient(error):
                raise
            return all_failed(metrics, request, error)[0]
        outcomes = rows_of(metrics, response)[0]
        for outcome in outcomes.values():
            if isinstance(outcome, GnomonError) and is_transient(outcome):
                raise outcome  # as a stream ends with it: the next one begins with this row
        return outcomes

    async def _requests(self, number: int) -> AsyncIterator[scorer.ScoreStreamRequest]:
        """Yield what is to be sent on one stream; no rows before it has told its versions."""
        yield scorer.ScoreStreamRequest(metric_versions=self._backlog.metrics.versions)
        while True:
            async with self._changed:
                message = None
                while self._backlog.is_current(number) and not self._backlog.is_sent:
                    message = self._backlog.next_message()
                    if message is not None:
                        break
                    await self._changed.wait()
            if message is None:
                return
            yield message

    async def _read(self) -> None:
        """Read the source as far ahead as there is room."""
        error: BaseException | None = None
        rows: list[StreamedRow] = []
        while True:
            async with self._changed:
                while not self._backlog.has_room and not self._backlog.is_closed:
                    await self._changed.wait()
                if self._backlog.is_closed:
                    return
            try:
                rows = await self._source.take(ROWS_A_MESSAGE)
            except BaseException as raised:  # which would else end the reading without a word
                if concurrency.is_cancelled_from_outside():
                    raise
                rows, error = [], raised
            async with self._changed:
                self._backlog.add(rows)
                self._backlog.error = error
                self._backlog.has_ended = not rows
                self._changed.notify_all()
            if not rows:
                return

    async def _close(self) -> None:
        async with self._changed:
            self._backlog.is_closed = True
            self._changed.notify_all()
        await self._source.aclose()
