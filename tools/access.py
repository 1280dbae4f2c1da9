"""Make the table of methods in docs/access.md from the protos.

`python tools/access.py` writes it; `--check` says whether it differs from what
would be written, and ends with status 1 if it does.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from google.longrunning import operations_pb2

from gnomon.v1 import (
    access_service_pb2,
    audit_service_pb2,
    registry_service_pb2,
    scorer_service_pb2,
    trainer_service_pb2,
    usage_service_pb2,
)
from gnomon_rpc.methods import described
from gnomon_rpc.projects import names_projects

TARGET = Path(__file__).parents[1] / "docs" / "access.md"
BEGIN = "<!-- Made from the protos by tools/access.py. Do not edit below. -->\n"

SERVICES = [
    registry_service_pb2.DESCRIPTOR.services_by_name["RegistryService"],
    access_service_pb2.DESCRIPTOR.services_by_name["AccessService"],
    audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"],
    usage_service_pb2.DESCRIPTOR.services_by_name["UsageService"],
    trainer_service_pb2.DESCRIPTOR.services_by_name["TrainerService"],
    operations_pb2.DESCRIPTOR.services_by_name["Operations"],
    scorer_service_pb2.DESCRIPTOR.services_by_name["ScorerService"],
]


def table() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    for service in SERVICES:
        yield from (
            "",
            f"### {service.full_name}",
            "",
            "| method | scopes | names a project |",
            "|---|---|---|",
        )
        for method in service.methods:
            found = described(f"/{service.full_name}/{method.name}")
            scopes = " or ".join(f"`{scope}`" for scope in sorted(found.scopes or ())) or "nobody"
            named = "yes" if names_projects(method.input_type) else ""
            yield f"| {method.name} | {scopes} | {named} |"


def main(check: bool) -> int:
    present = TARGET.read_text(encoding="utf-8")
    wanted = present.partition(BEGIN)[0] + BEGIN + table()
    if present == wanted:
        return 0
    if check:
        print(f"{TARGET} is not what tools/access.py makes of the protos.")
        return 1
    TARGET.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main("--check" in sys.argv[1:]))
