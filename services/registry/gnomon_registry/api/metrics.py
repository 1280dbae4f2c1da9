"""The RPCs of metrics."""

# ruff: noqa: ARG002, N802  RPCs have the proto's names and gRPC's parameters

from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf import empty_pb2

from gnomon import convert
from gnomon.errors import InvalidRequestError, Violation
from gnomon.names import MetricName, check_id
from gnomon.threads import in_thread
from gnomon.v1 import registry_service_pb2 as rpc
from gnomon.v1 import resources_pb2 as pb
from gnomon_registry.api import messages
from gnomon_registry.api.paging import page
from gnomon_registry.domain.entities import Definition, LabelClass
from gnomon_registry.domain.metrics import Metrics
from gnomon_rpc.masks import fields_to_write, immutable_fields_that_came_along
from gnomon_rpc.request_ids import request_key

T = TypeVar("T")

_TEXTS = ("display_name", "description", "judge_prompt")


class MetricRpcs:
    metrics: Metrics

    async def CreateMetric(self, request: rpc.CreateMetricRequest, context: Any) -> pb.Metric:
        name = MetricName(check_id(request.metric_id, "metric_id"))
        draft = request.metric
        texts = {field: getattr(draft, field) for field in _TEXTS}
        definition = Definition(**{field: read(draft) for field, read in _DEFINITION.items()})
        create = self.metrics.create
        return messages.metric(await in_thread(create, name, definition, texts, request_key(request)))

    async def GetMetric(self, request: rpc.GetMetricRequest, context: Any) -> pb.Metric:
        return messages.metric(await in_thread(self.metrics.get, MetricName.parse(request.name)))

    async def ListMetrics(self, request: rpc.ListMetricsRequest, context: Any) -> rpc.ListMetricsResponse:
        found = await page(request, self.metrics.page, lambda metric: metric.name.metric, messages.metric)
        return rpc.ListMetricsResponse(metrics=found.items, next_page_token=found.next_page_token)

    async def UpdateMetric(self, request: rpc.UpdateMetricRequest, context: Any) -> pb.Metric:
        draft, paths = request.metric, request.update_mask.paths
        name = MetricName.parse(draft.name, "metric.name")
        texts = {field: getattr(draft, field) for field in fields_to_write(draft, paths)}
        claims = {
            field: _DEFINITION[field](draft) for field in immutable_fields_that_came_along(draft, paths)
        }
        return messages.metric(await in_thread(self.metrics.update, name, texts, claims, draft.etag))

    async def DeleteMetric(self, request: rpc.DeleteMetricRequest, context: Any) -> empty_pb2.Empty:
        await in_thread(self.metrics.delete, MetricName.parse(request.name))
        return empty_pb2.Empty()


def _classes(draft: pb.Metric) -> tuple[LabelClass, ...]:
    return tuple(LabelClass(c.label, c.rubric, c.flagged) for c in draft.classes)


def _known(field: str, convert_enum: Callable[[Any], T]) -> Callable[[pb.Metric], T]:
    """Enums are open: a newer client may send a value that has no name here."""

    def read(draft: pb.Metric) -> T:
        try:
            return convert_enum(getattr(draft, field))
        except (ValueError, KeyError) as error:
            raise InvalidRequestError(
                f"metric.{field} is not known to this release.",
                violations=[Violation(f"metric.{field}", "is not known")],
            ) from error

    return read


_DEFINITION: dict[str, Callable[[pb.Metric], Any]] = {
    "output_type": _known("output_type", convert.output_type_from_proto),
    "classes": _classes,
    "step": _known("step", convert.step_from_proto),
    "input_shape": _known("input_shape", convert.input_shape_from_proto),
    "preset": lambda draft: draft.preset,
}
