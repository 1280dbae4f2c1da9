# Made from gnomon/_async/versions.py by tools/unasync.py. Do not edit.

"""`client.versions`."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.message import Message

from gnomon import bundle, shorthand
from gnomon._files import CheckedFile, NewFolder, bundle_files, parts, transfer_s
from gnomon._requests import new_request_id
from gnomon._retry import Attempts
from gnomon._sync.concurrency import in_thread, sleep
from gnomon._sync.connection import Connection
from gnomon.comparison import Comparison, compare_reports
from gnomon.errors import ArtifactCorruptError, BlobMissingError, GnomonError
from gnomon.instances import Instance
from gnomon.v1 import registry_service_pb2 as registry
from gnomon.v1 import resources_pb2 as pb

if TYPE_CHECKING:
    from gnomon.bundle_checks import Policy
    from gnomon.tensorrt import Engine
    from gnomon.triton import Serving

_SERVICE = "gnomon.v1.RegistryService"


class Versions:
    """Versions of metrics, immutable and numbered.

    A name is `metrics/toxicity/versions/3` or `toxicity@3`; an alias may stand
    for the number, and `toxicity` alone means the alias `production`.
    """

    def __init__(self, registry_connection: Connection) -> None:
        self._registry = registry_connection

    def create(
        self, metric: str, folder: str | Path, *, description: str = "", request_id: str | None = None
    ) -> pb.MetricVersion:
        """Register the evaluator bundle in a folder as the metric's next version: all of it or nothing.

        Only the files that the registry does not have yet are sent. The same
        `request_id` with the same bundle gives the version that was made first.

        Raises:
            BundleInvalidError: the bundle breaks a rule or does not fit the metric.
            NotADirectoryError: there is no such folder.
        """
        files = in_thread(bundle_files, Path(folder))
        return self._create(metric, Path(folder), files, description=description, request_id=request_id)

    def import_bundle(
        self,
        metric: str,
        path: str | Path,
        *,
        description: str = "",
        origin: str | None = None,
        importer: str = "",
        policy: "Policy | None" = None,
        request_id: str | None = None,
    ) -> pb.MetricVersion:
        """Register a bundle that was made elsewhere as the metric's next version, after checks.

        The bundle is checked here before anything is sent, and by the registry
        before it is registered; see docs/imports.md. It may call the metric
        otherwise. Its report is kept, and says that none of it was measured here.

        Args:
            path: a folder, or an archive (zip, tar, tar.gz), with its manifest.
            origin: what it is imported from, for the lineage; else the file's name.
            importer: who imports it.
            policy: what is allowed, checked here; the registry has its own.

        Raises:
            BundleInvalidError: a file breaks a rule; the metadata `path` and `rule` say which.
            FileNotFoundError: there is no such file or folder.
        """
        from gnomon._imports import staged

        source = registry.ImportSource(origin=origin or Path(path).name[:200] or str(path), importer=importer)
        staging = staged(Path(path), policy)
        folder, files = in_thread(staging.__enter__)
        try:
            return self._create(
                metric, folder, files, description=description, request_id=request_id, source=source
            )
        finally:
            in_thread(staging.__exit__, None, None, None)

    def _create(
        self,
        metric: str,
        folder: Path,
        files: tuple[bundle.BundleFile, ...],
        *,
        description: str,
        request_id: str | None,
        source: registry.ImportSource | None = None,
    ) -> pb.MetricVersion:
        self._upload_missing(folder, files)
        request = registry.CreateMetricVersionRequest(
            parent=shorthand.metric(metric),
            metric_version=pb.MetricVersion(description=description, bundle=_bundle_message(files)),
            request_id=request_id or new_request_id(),
            import_source=source,
        )
        create = partial(
            self._registry.unary,
            f"{_SERVICE}/CreateMetricVersion",
            request,
            pb.MetricVersion,
            timeout_s=self._check_s(files),
        )
        try:
            return create()
        except BlobMissingError:  # garbage collection was faster; what was uploaded now it leaves alone
            self._upload_missing(Path(folder), files)
            return create()

    def get(self, name: str) -> pb.MetricVersion:
        request = registry.GetMetricVersionRequest(name=shorthand.metric_version(name))
        return self._registry.unary(f"{_SERVICE}/GetMetricVersion", request, pb.MetricVersion)

    def list(self, metric: str, *, show_deleted: bool = False) -> Iterator[pb.MetricVersion]:
        """Yield the versions of a metric, newest first."""
        request = registry.ListMetricVersionsRequest(
            parent=shorthand.metric(metric), show_deleted=show_deleted
        )
        response = registry.ListMetricVersionsResponse
        for page in self._registry.pages(f"{_SERVICE}/ListMetricVersions", request, response):
            yield from page.metric_versions

    def delete(self, name: str) -> pb.MetricVersion:
        """Delete a version, named by its number. Its number is never given again.

        Raises:
            ResourceInUseError: an alias points at it.
        """
        request = registry.DeleteMetricVersionRequest(name=shorthand.metric_version(name, None))
        return self._registry.unary(f"{_SERVICE}/DeleteMetricVersion", request, pb.MetricVersion)

    def undelete(self, name: str) -> pb.MetricVersion:
        """Restore a deleted version, named by its number."""
        request = registry.UndeleteMetricVersionRequest(name=shorthand.metric_version(name, None))
        return self._registry.unary(f"{_SERVICE}/UndeleteMetricVersion", request, pb.MetricVersion)

    def compare(self, a: str, b: str) -> Comparison:
        """Return the measures of two versions' reports side by side."""
        version_a, version_b = self.get(a), self.get(b)
        return compare_reports(version_a.report, version_b.report)

    def download(self, version: str | pb.MetricVersion, folder: str | Path) -> pb.MetricVersion:
        """Put a version's bundle into a new folder: all of it, every digest checked, or nothing.

        Args:
            version: its name, or the message that `get` returned.
            folder: must not exist, or be empty.

        Raises:
            ArtifactCorruptError: a file is missing, cut or altered.
            BundleInvalidError: the registry named a path that has no place in a bundle.
            FileExistsError: the folder is not empty.
        """
        if isinstance(version, str):
            version = self.get(version)
        files = _checked_files(version)
        target = NewFolder(Path(folder))
        try:
            for file in files:
                self._download(file, target.path / file.path, version.name)
            in_thread(target.write, bundle.MANIFEST_FILE, bundle.manifest(files))
            in_thread(target.publish)
        finally:
            in_thread(target.discard)
        return version

    def export_bundle(self, version: str | pb.MetricVersion, file: str | Path) -> pb.MetricVersion:
        """Write a version's bundle and its manifest as an archive, which `import_bundle` takes elsewhere.

        Args:
            version: its name, or the message that `get` returned.
            file: ends with .zip, .tar, .tar.gz or .tgz, and must not exist.

        Raises:
            ArtifactCorruptError: a file is missing, cut or altered.
            FileExistsError: the file exists.
            InvalidRequestError: its name ends otherwise.
        """
        from gnomon.bundle_archives import pack

        with tempfile.TemporaryDirectory() as folder:
            found = self.download(version, Path(folder) / "bundle")
            in_thread(pack, Path(folder) / "bundle", Path(file))
        return found

    def export_triton(
        self,
        version: str | pb.MetricVersion,
        repository: str | Path,
        *,
        name: str | None = None,
        format: str = bundle.ONNX_FP32,  # noqa: A002  the design's word
        serving: "Serving | None" = None,
    ) -> Path:
        """Add a version to a Triton model repository, as `gnomon.triton.write_repository` does.

        Returns:
            The folder of the model, `repository/name`. It appears whole or not at all.

        Raises:
            InvalidRequestError: an argument is out of its range, the version
                lacks the format, or `gnomon[triton]` is not installed.
            FileExistsError: the repository holds a model of that name.
        """
        from gnomon.triton import write_repository

        with tempfile.TemporaryDirectory() as folder:
            self.download(version, Path(folder) / "bundle")
            write = partial(write_repository, name=name, format=format, serving=serving)
            return in_thread(write, Path(folder) / "bundle", Path(repository))

    def build_engine(
        self,
        version: str | pb.MetricVersion,
        cache: str | Path,
        *,
        precision: str = "fp16",
        max_batch_size: int = 32,
        samples: Sequence[Instance] = (),
    ) -> "Engine":
        """Return a version's TensorRT engine for this machine's GPU, as `gnomon.tensorrt.build_engine` does.

        Raises:
            GateFailedError: the engine scores too differently from the reference; it is not kept.
            InvalidRequestError: TensorRT, a library or a GPU is missing.
            VersionUnloadableError: TensorRT cannot build it.
        """
        from gnomon.tensorrt import build_engine

        with tempfile.TemporaryDirectory() as folder:
            self.download(version, Path(folder) / "bundle")
            build = partial(build_engine, precision=precision, max_batch_size=max_batch_size, samples=samples)
            return in_thread(build, Path(folder) / "bundle", Path(cache))

    def _upload_missing(self, folder: Path, files: tuple[bundle.BundleFile, ...]) -> None:
        by_digest = {file.sha256: file for file in files}
        request = registry.FindMissingBlobsRequest(sha256=sorted(by_digest))
        found = self._registry.unary(
            f"{_SERVICE}/FindMissingBlobs",
            request,
            registry.FindMissingBlobsResponse,
            timeout_s=self._check_s(files),
        )
        for sha256 in found.missing_sha256:
            file = by_digest[sha256]
            self._registry.send(
                f"{_SERVICE}/UploadBlob",
                partial(_blob_requests, folder / file.path, file),
                registry.UploadBlobResponse,
                timeout_s=transfer_s(self._registry.timeout_s, file.size_bytes),
            )

    def _check_s(self, files: tuple[bundle.BundleFile, ...]) -> float:
        """Return how long a call may take in which the registry reads the files to check them."""
        return transfer_s(self._registry.timeout_s, sum(file.size_bytes for file in files))

    def _download(self, file: bundle.BundleFile, path: Path, resource: str) -> None:
        attempts = Attempts(transfer_s(self._registry.timeout_s, file.size_bytes))
        while True:
            try:
                self._download_once(file, path, resource, attempts.remaining_s())
                return
            except GnomonError as error:
                failure = error
            sleep(attempts.delay_after(failure))

    def _download_once(
        self, file: bundle.BundleFile, path: Path, resource: str, timeout_s: float | None
    ) -> None:
        request = registry.DownloadBlobRequest(sha256=file.sha256)
        target = CheckedFile(path, file, resource)
        stream = self._registry.stream(
            f"{_SERVICE}/DownloadBlob", request, registry.DownloadBlobResponse, timeout_s=timeout_s
        )
        try:
            with closing(stream) as responses:
                for response in responses:
                    in_thread(target.write, response.content)
            in_thread(target.finish)
        finally:
            in_thread(target.close)


def _blob_requests(path: Path, file: bundle.BundleFile) -> Iterator[Message]:
    yield registry.UploadBlobRequest(sha256=file.sha256, size_bytes=file.size_bytes)
    content = parts(path)
    while part := in_thread(next, content, b""):
        yield registry.UploadBlobRequest(content=part)


def _bundle_message(files: tuple[bundle.BundleFile, ...]) -> pb.Bundle:
    return pb.Bundle(
        files=[pb.BundleFile(path=f.path, sha256=f.sha256, size_bytes=f.size_bytes) for f in files]
    )


def _checked_files(version: pb.MetricVersion) -> tuple[bundle.BundleFile, ...]:
    files = bundle.check_files(
        bundle.BundleFile(file.path, file.sha256, file.size_bytes) for file in version.bundle.files
    )
    if bundle.digest(files) != version.bundle.digest:
        raise ArtifactCorruptError(
            f"The list of files of {version.name} does not have the digest of its bundle.",
            resource=version.name,
            path="",
        )
    return files
