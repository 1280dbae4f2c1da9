# Made from gnomon/_async/metrics.py by tools/unasync.py. Do not edit.

"""`client.metrics`."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from google.protobuf import empty_pb2

from gnomon import shorthand
from gnomon._requests import LabelClass, field_mask, metric_message, new_request_id
from gnomon._sync.connection import Connection
from gnomon.errors import AlreadyExistsError, NotFoundError
from gnomon.instances import InputShape, OutputType, Step
from gnomon.v1 import registry_service_pb2 as registry
from gnomon.v1 import resources_pb2 as pb

if TYPE_CHECKING:
    from gnomon.presets import Installed

_SERVICE = "gnomon.v1.RegistryService"


class Metrics:
    """Metrics say what is scored. A name is `metrics/toxicity` or just `toxicity`."""

    def __init__(self, registry_connection: Connection) -> None:
        self._registry = registry_connection

    def create(
        self,
        metric_id: str,
        *,
        output_type: str | OutputType,
        input_shape: str | InputShape,
        step: str | Step = Step.LLM_SPAN,
        classes: Iterable[LabelClass] = (),
        display_name: str = "",
        description: str = "",
        judge_prompt: str = "",
        preset: str = "",
    ) -> pb.Metric:
        """Create a metric.

        Args:
            output_type: `boolean` or `categorical`.
            input_shape: what of an instance is read, such as `input_output`.
            step: where in a trace it applies, such as `llm_span`.
            classes: labels, or mappings of `label`, `rubric` and `flagged`;
                needed for a categorical metric, left out for a boolean one.
            preset: what it is made from, such as `toxicity-output@1`;
                `install_preset` says it.

        Raises:
            AlreadyExistsError: the ID is taken.
            InvalidRequestError: an argument breaks a rule; it is named.
        """
        metric = metric_message(
            output_type=output_type,
            step=step,
            input_shape=input_shape,
            classes=classes,
            display_name=display_name,
            description=description,
            judge_prompt=judge_prompt,
            preset=preset,
        )
        request = registry.CreateMetricRequest(
            metric_id=metric_id, metric=metric, request_id=new_request_id()
        )
        return self._registry.unary(f"{_SERVICE}/CreateMetric", request, pb.Metric)

    def install_preset(
        self, preset: str, metric_id: str | None = None, *, values: Mapping[str, str] | None = None
    ) -> "Installed":
        """Create a metric from a preset, or say that it is there already; change nothing that is.

        Args:
            preset: the ID of one of `gnomon.presets.list_presets()`.
            metric_id: what to call the metric, if not by the preset's ID.
            values: what the preset's parameters stand for, such as a brand's voice.

        Raises:
            NotFoundError: there is no such preset.
            AlreadyExistsError: a metric of that ID was made from something
                else, or with other values.
            InvalidRequestError: a parameter lacks its value.
        """
        from gnomon import presets
        from gnomon.presets.installed import compared

        chosen = presets.load(preset)
        fields = chosen.metric(values or {})
        try:
            metric = self.create(metric_id or preset, **fields)
        except AlreadyExistsError:
            return compared(chosen, fields, self.get(metric_id or preset))
        return presets.Installed(metric, presets.Outcome.CREATED, chosen.edition)

    def get(self, name: str) -> pb.Metric:
        request = registry.GetMetricRequest(name=shorthand.metric(name))
        return self._registry.unary(f"{_SERVICE}/GetMetric", request, pb.Metric)

    def list(self) -> Iterator[pb.Metric]:
        """Yield all metrics, ordered by name."""
        request, response = registry.ListMetricsRequest(), registry.ListMetricsResponse
        for page in self._registry.pages(f"{_SERVICE}/ListMetrics", request, response):
            yield from page.metrics

    def update(self, metric: pb.Metric, fields: Iterable[str] = ()) -> pb.Metric:
        """Write the named fields of a metric, found by its name; without any, those that are set.

        Raises:
            EtagMismatchError: `metric` has an etag, and someone wrote since.
        """
        request = registry.UpdateMetricRequest(metric=metric, update_mask=field_mask(fields))
        return self._registry.unary(f"{_SERVICE}/UpdateMetric", request, pb.Metric)

    def delete(self, name: str) -> None:
        """Delete a metric.

        Raises:
            ResourceInUseError: it has versions.
        """
        request = registry.DeleteMetricRequest(name=shorthand.metric(name))
        self._registry.unary(f"{_SERVICE}/DeleteMetric", request, empty_pb2.Empty, repeated_is=NotFoundError)
