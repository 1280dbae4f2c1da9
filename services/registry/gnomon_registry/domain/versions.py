"""Use cases of metric versions."""

import dataclasses
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gnomon import bundle
from gnomon.bundle import BundleFile, Evaluator, LineageRecord
from gnomon.bundle_checks import Policy, check_contents
from gnomon.bundle_checks.refusing import refuse
from gnomon.errors import (
    BlobMissingError,
    BundleInvalidError,
    InvalidRequestError,
    ResourceInUseError,
    Violation,
)
from gnomon.names import MetricName, MetricVersionName
from gnomon_registry.domain.blobs import read_whole
from gnomon_registry.domain.entities import Change, ChangeKind, ImportSource, MetricVersion
from gnomon_registry.domain.fit import check_fit
from gnomon_registry.domain.lookup import the_metric, the_version
from gnomon_registry.domain.ports import BlobStore, CatalogReader, CatalogStore, Clock, ReportParser
from gnomon_registry.domain.requests import RequestKey, answer_of, remember
from gnomon_registry.domain.rules import check_texts

_MAX_JSON_BYTES = 4 * 1024 * 1024  # report.json is read into memory
_NOT_MEASURED = "Imported: nothing in this report was measured here."


@dataclass(frozen=True, slots=True)
class Versions:
    store: CatalogStore
    blobs: BlobStore
    parse_report: ReportParser
    clock: Clock
    policy: Policy = field(default_factory=Policy)
    one_check: threading.Lock = field(default_factory=threading.Lock)  # so that memory is taken once

    def create(
        self,
        metric: MetricName,
        description: str,
        files: list[BundleFile],
        key: RequestKey | None,
        source: ImportSource | None = None,
    ) -> MetricVersion:
        """Register the next version of a metric: all of it or nothing.

        A file of size 0 gets the size of its blob. `source`: the bundle was
        made elsewhere; it may call the metric otherwise, and must have a
        report, which then says that none of it was measured here.

        Raises:
            BundleInvalidError: the files break a rule of the policy, or do not fit the metric.
            BlobMissingError: a file's blob was not uploaded.
            RequestIdReusedError: the request ID came with another body before.
        """
        check_texts("metric_version", description=description)
        if source:
            check_texts("import_source", origin=source.origin, importer=source.importer)
        with self.store.reading() as catalog:
            if answer := answer_of(catalog, key):
                return _answered(catalog, answer)
            known = the_metric(catalog, metric)
        stored = self._stored(bundle.check_files(files))
        digests = {file.path: file.sha256 for file in stored}
        with self.one_check:
            evaluator = check_contents(stored, lambda path: self.blobs.open(digests[path]), self.policy)
        evaluator = dataclasses.replace(evaluator, lineage=_told(evaluator.lineage, source))
        check_fit(known, evaluator, stored, by_its_name=source is None)
        draft = _draft(metric, description, stored, evaluator, self._report(stored, source))
        self.blobs.put_manifest(draft.digest, bundle.manifest(stored))
        return self._insert(draft, evaluator, key)

    def _insert(self, draft: MetricVersion, evaluator: Evaluator, key: RequestKey | None) -> MetricVersion:
        by_its_name = not draft.lineage.imported_from
        with self.store.writing() as catalog:
            if answer := answer_of(catalog, key):
                return _answered(catalog, answer)
            # The metric may have been deleted and made anew since it was read.
            metric = the_metric(catalog, MetricName(draft.metric))
            check_fit(metric, evaluator, draft.files, by_its_name=by_its_name)
            # Blobs that nobody needed may have been removed; from here on this version needs them.
            self._check_there(draft.files)
            number, now = catalog.last_number(draft.metric) + 1, self.clock()
            version = dataclasses.replace(draft, number=number, create_time=now)
            catalog.add_version(version)
            catalog.log(Change(ChangeKind.VERSION_CREATED, draft.metric, number, now))
            remember(catalog, key, version.name)
        return version

    def _stored(self, files: tuple[BundleFile, ...]) -> tuple[BundleFile, ...]:
        """Return the files with the sizes of their blobs, all of which must be stored."""
        sizes = {file.sha256: self.blobs.size(file.sha256) for file in files}
        absent = set(self.blobs.missing(sizes))  # a damaged blob counts as none: uploading repairs it
        _refuse_missing([file for file in files if file.sha256 in absent or sizes[file.sha256] is None])
        whole = tuple(dataclasses.replace(file, size_bytes=sizes[file.sha256] or 0) for file in files)
        wrong = [
            Violation(
                f"files[{f.path!r}].size_bytes", f"is {f.size_bytes}; the blob has {w.size_bytes} bytes"
            )
            for f, w in zip(files, whole, strict=True)
            if f.size_bytes not in (0, w.size_bytes)
        ]
        if wrong:
            raise BundleInvalidError(f"{wrong[0].field} {wrong[0].description}.", violations=wrong)
        return whole

    def _check_there(self, files: tuple[BundleFile, ...]) -> None:
        _refuse_missing([file for file in files if self.blobs.size(file.sha256) is None])

    def _content(self, files: tuple[BundleFile, ...], path: str) -> bytes:
        file = next(file for file in files if file.path == path)
        if file.size_bytes > _MAX_JSON_BYTES:
            raise BundleInvalidError(
                f"{path} has {file.size_bytes} bytes; at most {_MAX_JSON_BYTES} are allowed.",
                violations=[Violation(path, f"must be at most {_MAX_JSON_BYTES} bytes")],
            )
        return read_whole(self.blobs, file.sha256)

    def _report(self, files: tuple[BundleFile, ...], source: ImportSource | None) -> bytes:
        if any(file.path == bundle.REPORT_FILE for file in files):
            warnings = [_NOT_MEASURED] if source else []
            return self.parse_report(self._content(files, bundle.REPORT_FILE), warnings)
        if source:
            refuse(
                bundle.REPORT_FILE, "report", "is missing; what was made elsewhere must say how good it is"
            )
        return b""

    def get(self, name: MetricVersionName) -> MetricVersion:
        with self.store.reading() as catalog:
            return the_version(catalog, name)

    def page(
        self, metric: MetricName, before: int | None, limit: int, show_deleted: bool
    ) -> list[MetricVersion]:
        """Return versions, newest first, from below a number on."""
        with self.store.reading() as catalog:
            the_metric(catalog, metric)
            return catalog.versions_newest_first(metric.metric, before, limit, show_deleted)

    def delete(self, name: MetricVersionName) -> MetricVersion:
        """Hide a version. Deleting a deleted one changes nothing, so that the call may be repeated.

        Raises:
            ResourceInUseError: an alias points at it.
        """
        number = _number(name)
        with self.store.writing() as catalog:
            version = the_version(catalog, name, deleted=True)
            if version.aliases:
                raise ResourceInUseError(
                    f"The alias {version.aliases[0]!r} points at {name}. Move or delete the alias first.",
                    resource=str(name),
                    used_by=f"metrics/{name.metric}/aliases/{version.aliases[0]}",
                )
            if version.delete_time is None:
                now = self.clock()
                catalog.set_delete_time(name.metric, number, now)
                catalog.log(Change(ChangeKind.VERSION_DELETED, name.metric, number, now))
            return the_version(catalog, name, deleted=True)

    def undelete(self, name: MetricVersionName) -> MetricVersion:
        """Show a version again. Restoring one that is there changes nothing.

        Raises:
            BlobMissingError: its files were removed by garbage collection.
        """
        number = _number(name)
        with self.store.writing() as catalog:
            version = the_version(catalog, name, deleted=True)
            if version.delete_time is not None:
                self._check_there(version.files)  # long after it was deleted they are garbage
                catalog.set_delete_time(name.metric, number, None)
                catalog.log(Change(ChangeKind.VERSION_RESTORED, name.metric, number, self.clock()))
            return the_version(catalog, name)


def _told(lineage: LineageRecord, source: ImportSource | None) -> LineageRecord:
    """Return the lineage as the registry tells it: who imported a bundle is not the bundle's to say."""
    source = source or ImportSource("")
    return dataclasses.replace(lineage, imported_from=source.origin, imported_by=source.importer)


def _refuse_missing(files: list[BundleFile]) -> None:
    if files:
        raise BlobMissingError(
            f"The content of {files[0].path} is not stored. Upload it with UploadBlob, then try again.",
            violations=[Violation(f"files[{f.path!r}]", f"{f.sha256} is not stored") for f in files],
            sha256=files[0].sha256,
        )


def _answered(catalog: CatalogReader, answer: str) -> MetricVersion:
    return the_version(catalog, MetricVersionName.parse(answer), deleted=True)


def _draft(
    metric: MetricName, description: str, files: tuple[BundleFile, ...], evaluator: Evaluator, report: bytes
) -> MetricVersion:
    """Return the version without number and time. What it says of itself is read from the bundle."""
    return MetricVersion(
        metric=metric.metric,
        number=0,
        description=description,
        digest=bundle.digest(files),
        files=files,
        formats=evaluator.formats,
        threshold=float(evaluator.threshold.value),
        max_tokens=evaluator.max_tokens,
        lineage=evaluator.lineage,
        report=report,
        create_time=datetime.min.replace(tzinfo=UTC),
    )


def _number(name: MetricVersionName) -> int:
    """An alias may move between reading and deciding, so these calls want the number."""
    if name.number is None:
        raise InvalidRequestError(
            f"{name} names an alias. Give the version's number.",
            violations=[Violation("name", "must name a version by its number")],
        )
    return name.number
