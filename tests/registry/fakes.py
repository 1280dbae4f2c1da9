"""Every port in memory: what the contract suites hold the real adapters against."""

import asyncio
import contextlib
import copy
import dataclasses
import hashlib
import io
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gnomon.errors import (
    ArtifactCorruptError,
    BlobDigestMismatchError,
    NotFoundError,
    ServiceUnavailableError,
)
from gnomon_registry.domain.ports import CatalogSizes, StoredFile
from tests.registry.bundles import sha256 as digest_of


@dataclass
class State:
    projects: dict = field(default_factory=dict)
    metrics: dict = field(default_factory=dict)
    versions: dict = field(default_factory=dict)
    aliases: dict = field(default_factory=dict)
    changes: list = field(default_factory=list)
    answered: dict = field(default_factory=dict)
    api_keys: dict = field(default_factory=dict)
    blob_owners: dict = field(default_factory=dict)


class FakeCatalog:
    """A transaction works on a copy, which takes the place of the state at its end."""

    def __init__(self):
        self._state = State()
        self._turn = threading.Lock()

    @contextlib.contextmanager
    def reading(self):
        yield FakeTransaction(self._state)

    @contextlib.contextmanager
    def writing(self):
        with self._turn:
            parts = {f.name: copy.copy(getattr(self._state, f.name)) for f in dataclasses.fields(State)}
            state = State(**parts)
            yield FakeTransaction(state)
            self._state = state


def _page(items, after, limit):
    return [item for key, item in sorted(items.items()) if key > after][:limit]


class FakeTransaction:
    def __init__(self, state):
        self._state = state

    def blob_owner(self, sha256):
        return self._state.blob_owners.get(sha256)

    def owned_blobs(self):
        return list(self._state.blob_owners)

    def stored_bytes(self, api_key):
        return sum(o.size_bytes for o in self._state.blob_owners.values() if o.api_key == api_key)

    def put_blob_owner(self, sha256, owner):
        self._state.blob_owners[sha256] = owner

    def check_alone(self):
        pass

    def remove_blob_owner(self, sha256):
        self._state.blob_owners.pop(sha256, None)

    def project(self, name):
        return self._state.projects.get(name.project)

    def projects(self, after, limit):
        return _page(self._state.projects, after, limit)

    def put_project(self, project):
        self._state.projects[project.name.project] = project

    def remove_project(self, name):
        self._state.projects.pop(name.project, None)

    def metric(self, name):
        return self._state.metrics.get(name.metric)

    def metrics(self, after, limit):
        return _page(self._state.metrics, after, limit)

    def put_metric(self, metric):
        self._state.metrics[metric.name.metric] = metric

    def remove_metric(self, name):
        self._state.metrics.pop(name.metric, None)

    def version(self, metric, number):
        version = self._state.versions.get((metric, number))
        if version is None:
            return None
        pointing = [a.name.alias for a in self.aliases(metric, "", None) if a.number == number]
        return dataclasses.replace(version, aliases=tuple(pointing))

    def versions_newest_first(self, metric, before, limit, show_deleted):
        numbers = sorted((n for m, n in self._state.versions if m == metric), reverse=True)
        found = [self.version(metric, n) for n in numbers if before is None or n < before]
        return [v for v in found if show_deleted or v.delete_time is None][:limit]

    def live_versions(self):
        return sorted(key for key, v in self._state.versions.items() if v.delete_time is None)

    def needed(self, deleted_after):
        kept = [
            v for v in self._state.versions.values() if v.delete_time is None or v.delete_time > deleted_after
        ]
        return {v.digest for v in kept} | {file.sha256 for v in kept for file in v.files}

    def last_number(self, metric):
        return max((n for m, n in self._state.versions if m == metric), default=0)

    def add_version(self, version):
        self._state.versions[version.metric, version.number] = version

    def set_delete_time(self, metric, number, delete_time):
        old = self._state.versions[metric, number]
        self._state.versions[metric, number] = dataclasses.replace(old, delete_time=delete_time)

    def alias(self, name):
        return self._state.aliases.get((name.metric, name.alias))

    def aliases(self, metric, after, limit):
        found = [a for key, a in sorted(self._state.aliases.items()) if key[1] > after]
        return [a for a in found if metric in (None, a.name.metric)][:limit]

    def put_alias(self, alias):
        self._state.aliases[alias.name.metric, alias.name.alias] = alias

    def remove_alias(self, name):
        self._state.aliases.pop((name.metric, name.alias), None)

    def log(self, change):
        self._state.changes.append(dataclasses.replace(change, id=self.last_change() + 1))

    def changes(self, after, limit):
        return [change for change in self._state.changes if change.id > after][:limit]

    def last_change(self):
        return self._state.changes[-1].id if self._state.changes else 0

    def alias_changes_newest_first(self, name, before, limit):
        found = [c for c in self._state.changes if (c.metric, c.alias) == (name.metric, name.alias)]
        return [c for c in reversed(found) if before is None or c.id < before][:limit]

    def sizes(self):
        state = self._state
        live = self.live_versions()
        counts = map(len, (state.projects, state.metrics, live, state.versions, state.aliases))
        return CatalogSizes(*counts, self.last_change())

    def answered(self, request_id):
        return self._state.answered.get(request_id)

    def api_key(self, key_id):
        return self._state.api_keys.get(key_id)

    def api_keys(self, after, limit):
        return _page(self._state.api_keys, after, limit)

    def put_api_key(self, key):
        self._state.api_keys[key.name.api_key] = key

    def remember(self, answered):
        self._state.answered[answered.request_id] = answered


class FakeBlobStore:
    def __init__(self):
        self.contents = {}
        self.manifests = {}
        self._modified = {}

    def stored(self):
        for is_manifest, files in ((False, self.contents), (True, self.manifests)):
            for digest, content in files.items():
                yield StoredFile(digest, is_manifest, len(content), self._modified[digest])

    def remove(self, file, last_look):
        files = self.manifests if file.is_manifest else self.contents
        if file.digest not in files or self._modified[file.digest] != file.modified:
            return False
        last_look()
        del files[file.digest]
        return True

    def size(self, sha256):
        return len(self.contents[sha256]) if sha256 in self.contents else None

    def missing(self, sha256):
        return [digest for digest in dict.fromkeys(sha256) if self._digest(digest) != digest]

    def _digest(self, stored_as):
        content = self.contents.get(stored_as)
        return None if content is None else hashlib.sha256(content).hexdigest()

    def upload(self, sha256, size_bytes):
        return FakeUpload(self, sha256, size_bytes)

    def download(self, sha256):
        if sha256 not in self.contents:
            raise NotFoundError("The blob is not stored.", resource=f"blobs/{sha256}")
        return FakeDownload(self.contents[sha256], sha256)

    def open(self, sha256):
        if sha256 not in self.contents:
            raise NotFoundError("The blob is not stored.", resource=f"blobs/{sha256}")
        return io.BytesIO(self.contents[sha256])

    def put_manifest(self, digest, content):
        self.manifests[digest] = content
        self._modified[digest] = datetime.now(UTC)


class FakeUpload:
    def __init__(self, store, sha256, size_bytes):
        self._store, self._sha256, self._size_bytes = store, sha256, size_bytes
        self._content = b""

    def write(self, content):
        self._content += content
        if len(self._content) > self._size_bytes:
            raise BlobDigestMismatchError("too long", sha256=self._sha256)

    def seal(self):
        if len(self._content) != self._size_bytes or digest_of(self._content) != self._sha256:
            raise BlobDigestMismatchError("not what was announced", sha256=self._sha256)

    def finish(self):
        self.seal()
        self._store.contents[self._sha256] = self._content
        self._store._modified[self._sha256] = datetime.now(UTC)

    def abort(self):
        self._content = b""


class FakeDownload:
    def __init__(self, content, sha256):
        self._content, self._sha256 = content, sha256

    def read(self):
        if digest_of(self._content) != self._sha256 and self._sha256:
            raise ArtifactCorruptError("altered", resource=f"blobs/{self._sha256}", path="")
        content, self._content, self._sha256 = self._content, b"", ""
        return content

    def close(self):
        pass


class FakeFeed:
    """Moves when the test says so."""

    def __init__(self):
        self.newest = 0
        self.closed = False
        self._moved = asyncio.Condition()

    async def move(self, newest):
        async with self._moved:
            self.newest = newest
            self._moved.notify_all()

    async def close(self):
        async with self._moved:
            self.closed = True
            self._moved.notify_all()

    async def newest_beyond(self, seen, timeout_s):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._moved:
                await self._moved.wait_for(lambda: self.newest > seen or self.closed)
        if self.closed:
            raise ServiceUnavailableError("The registry is going away.", retry_after_s=1.0)
        return self.newest
