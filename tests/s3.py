"""A server that speaks as S3 does, for tests: moto's, over HTTP on a port of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pytest
from moto.server import ThreadedMotoServer


@contextmanager
def s3_server() -> Iterator[str]:
    """Run a server; yield its URL. Credentials are those that `credentials` sets."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "gnomon")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "gnomon-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def make_bucket(endpoint_url: str, name: str) -> None:
    boto3.client("s3", endpoint_url=endpoint_url).create_bucket(Bucket=name)


def uploads_under_way(endpoint_url: str, bucket: str) -> list[str]:
    """Return the keys of multipart uploads that are neither completed nor given up."""
    told = boto3.client("s3", endpoint_url=endpoint_url).list_multipart_uploads(Bucket=bucket)
    return [upload["Key"] for upload in told.get("Uploads", ())]
