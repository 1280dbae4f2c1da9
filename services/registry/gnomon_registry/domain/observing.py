"""What the registry tells of its work. No method may ever be given the text of a user.

What stands in the catalog is counted there when somebody looks.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import IO, Protocol

from gnomon.errors import ServiceUnavailableError, StorageFullError
from gnomon_registry.domain.ports import (
    BlobDownload,
    BlobStore,
    BlobUpload,
    CatalogReader,
    CatalogStore,
    CatalogWriter,
    StoredFile,
)
from gnomon_registry.domain.webhook_sending import Outcome, Sends
from gnomon_registry.domain.webhooks import Webhook


class Observer(Protocol):
    """Hears of what happens, from any thread. Calls must be quick and never raise."""

    def wrote(self, outcome: str, seconds: float) -> None:
        """A transaction that may write ended after so long, its turn waited for included.

        The outcome is `done`, `busy`, `full`, or `refused`: a rule, or a defect, broke it off.
        """

    def received(self, size_bytes: int) -> None:
        """A part of a blob came in."""

    def sent(self, size_bytes: int) -> None:
        """A part of a blob went out."""

    def stored(self) -> None:
        """A blob came in whole."""

    def told(self, outcome: str, seconds: float) -> None:
        """A receiver was asked to take a change, and answered or did not after so long.

        The outcome is `taken`, `refused` by an HTTP status, or `unanswered`.
        """


class ObservedCatalog:
    """A `CatalogStore` whose writes are told of."""

    def __init__(
        self, store: CatalogStore, observer: Observer, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._store = store
        self._observer = observer
        self._clock = clock

    def reading(self) -> AbstractContextManager[CatalogReader]:
        return self._store.reading()

    @contextlib.contextmanager
    def writing(self) -> Iterator[CatalogWriter]:
        began, outcome = self._clock(), "done"
        try:
            with self._store.writing() as catalog:
                yield catalog
        except BaseException as error:
            outcome = _outcome(error)
            raise
        finally:
            self._observer.wrote(outcome, self._clock() - began)


def _outcome(error: BaseException) -> str:
    if isinstance(error, ServiceUnavailableError):
        return "busy"
    return "full" if isinstance(error, StorageFullError) else "refused"


class ObservedBlobs:
    """A `BlobStore` whose traffic is told of."""

    def __init__(self, store: BlobStore, observer: Observer) -> None:
        self._store = store
        self._observer = observer

    def size(self, sha256: str) -> int | None:
        return self._store.size(sha256)

    def missing(self, sha256: Iterable[str]) -> list[str]:
        return self._store.missing(sha256)

    def open(self, sha256: str) -> IO[bytes]:
        return self._store.open(sha256)

    def put_manifest(self, digest: str, content: bytes) -> None:
        self._store.put_manifest(digest, content)

    def stored(self) -> Iterable[StoredFile]:
        return self._store.stored()

    def remove(self, file: StoredFile, last_look: Callable[[], None]) -> bool:
        return self._store.remove(file, last_look)

    def upload(self, sha256: str, size_bytes: int) -> BlobUpload:
        return _Upload(self._store.upload(sha256, size_bytes), self._observer)

    def download(self, sha256: str) -> BlobDownload:
        return _Download(self._store.download(sha256), self._observer)


class ObservedSending:
    """Sends what `Sending` sends, and tells of it."""

    def __init__(self, sending: Sends, observer: Observer) -> None:
        self._sending = sending
        self._observer = observer

    async def send(self, webhook: Webhook, message_id: str, body: str) -> Outcome:
        outcome = await self._sending.send(webhook, message_id, body)
        answered = "refused" if outcome.attempt.http_status else "unanswered"
        self._observer.told(answered if outcome.problem else "taken", outcome.attempt.duration_s)
        return outcome


class _Upload:
    def __init__(self, upload: BlobUpload, observer: Observer) -> None:
        self._upload = upload
        self._observer = observer
        self.seal, self.abort = upload.seal, upload.abort

    def write(self, content: bytes) -> None:
        self._observer.received(len(content))
        self._upload.write(content)

    def finish(self) -> None:
        self._upload.finish()
        self._observer.stored()


class _Download:
    def __init__(self, download: BlobDownload, observer: Observer) -> None:
        self._download = download
        self._observer = observer
        self.close = download.close

    def read(self) -> bytes:
        content = self._download.read()
        self._observer.sent(len(content))
        return content
