"""Three real services with access control on, and keys to call them with."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.longrunning import operations_pb2
from google.protobuf import message_factory
from grpc_status import rpc_status

import gnomon
from gnomon import local
from gnomon.api_keys import new_key
from gnomon.local import ServiceProcess
from gnomon.status import from_status
from gnomon.v1 import (
    access_service_pb2,
    audit_service_pb2,
    registry_service_pb2,
    scorer_service_pb2,
    trainer_service_pb2,
    usage_service_pb2,
)

KEPT = [
    audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"],
    usage_service_pb2.DESCRIPTOR.services_by_name["UsageService"],
]
"""What every service with a database serves."""

SERVED = {
    "registry": [
        registry_service_pb2.DESCRIPTOR.services_by_name["RegistryService"],
        access_service_pb2.DESCRIPTOR.services_by_name["AccessService"],
        *KEPT,
    ],
    "trainer": [
        trainer_service_pb2.DESCRIPTOR.services_by_name["TrainerService"],
        operations_pb2.DESCRIPTOR.services_by_name["Operations"],
        *KEPT,
    ],
    "scorer": [scorer_service_pb2.DESCRIPTOR.services_by_name["ScorerService"]],
}


@dataclass
class Guarded:
    """`texts` are all keys that were ever made, to look for where they must not be."""

    services: dict[str, ServiceProcess]
    admin: str
    texts: list[str] = field(default_factory=list)

    def client(self, api_key: str, timeout_s: float = 30.0) -> gnomon.Client:
        addresses = {name: service.address for name, service in self.services.items()}
        return gnomon.Client(**addresses, api_key=api_key, timeout_s=timeout_s)

    def key(self, *scopes: str, **options: Any) -> tuple[str, str]:
        """Return a new key's name and text."""
        with self.client(self.admin) as client:
            made = client.keys.create(scopes, **options)
        self.texts.append(made.key_text)
        return made.api_key.name, made.key_text

    def revoke(self, name: str) -> None:
        with self.client(self.admin) as client:
            client.keys.revoke(name)


@contextlib.contextmanager
def guarded(home: Path, **changes: Mapping[str, str]) -> Iterator[Guarded]:
    """Run the services; `changes` are further variables by service, without their prefix."""
    admin, trainer, scorer = (new_key().text for _ in range(3))
    services = local.deployment(home)
    own = {
        "registry": {"ADMIN_KEY": admin, "TRAINER_KEY": trainer, "SCORER_KEY": scorer},
        "trainer": {"REGISTRY_API_KEY": trainer, "WORKERS": "0"},
        "scorer": {"REGISTRY_API_KEY": scorer},
    }
    for name, service in services.items():
        variables = {"ACCESS": "keys", "LOG_LEVEL": "debug", **own[name], **changes.get(name, {})}
        service.environment = {
            **service.environment,
            **{f"GNOMON_{name.upper()}_{variable}": value for variable, value in variables.items()},
        }
    try:
        local.start(services)
        yield Guarded(services, admin, [admin, trainer, scorer])
    finally:
        local.stop(services)


def bearer(text: str | None, project: str | None = None) -> tuple[tuple[str, str], ...]:
    key = (("authorization", f"Bearer {text}"),) if text else ()
    return (*key, ("gnomon-project", project)) if project else key


def call(
    channel: grpc.Channel, method: Any, metadata: Any, timeout_s: float = 10.0
) -> gnomon.errors.GnomonError | None:
    """Call a method with an empty request; return its error, or None once it gives an answer."""
    request = message_factory.GetMessageClass(method.input_type)()
    response = message_factory.GetMessageClass(method.output_type)
    sides = (method.client_streaming, method.server_streaming)
    kind = "_".join("stream" if streams else "unary" for streams in sides)
    stub = getattr(channel, kind)(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=response.FromString,
    )
    sent = iter([request]) if method.client_streaming else request
    try:
        answer = stub(sent, metadata=metadata, timeout=timeout_s)
        if method.server_streaming:
            next(answer, None)
            answer.cancel()
    except grpc.RpcError as error:
        return error_of(error)
    return None


def error_of(error: Any) -> gnomon.errors.GnomonError:
    status = rpc_status.from_call(error)
    assert status is not None, f"{error.code()}: {error.details()}"
    return from_status(status)
