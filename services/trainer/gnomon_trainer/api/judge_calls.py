"""The methods of `TrainerService` that concern judges."""

import math
from typing import Any

from gnomon.convert import instance_from_proto
from gnomon.errors import GnomonError, InstanceInvalidError, InvalidRequestError, Violation
from gnomon.instances import Instance
from gnomon.names import MetricName, ProviderName
from gnomon.status import to_status
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon_rpc.required import check_required
from gnomon_trainer.domain.chat_budget import Allowance, Budget, Prices, Tokens
from gnomon_trainer.domain.judge_use_cases import JudgeOrder, Judges
from gnomon_trainer.domain.judging import Judgement


class JudgeCalls:
    """Answers calls about judges."""

    def __init__(self, judges: Judges) -> None:
        self._judges = judges

    async def judge_instances(self, request: pb.JudgeInstancesRequest) -> pb.JudgeInstancesResponse:
        budget = Budget.of(allowance_of(request.budget), Tokens())
        order = JudgeOrder(
            provider=ProviderName.parse(request.provider, "provider"),
            metric=MetricName.parse(request.metric, "metric"),
            instances=[_read(instance) for instance in request.instances],
            votes=request.votes or 1,
            budget=budget,
        )
        outcomes = await self._judges.judge(order)
        return pb.JudgeInstancesResponse(
            results=map(_result, outcomes),
            input_tokens=budget.spent.input,
            output_tokens=budget.spent.output,
            cost=budget.cost,
        )


def _read(message: Any) -> Instance | GnomonError:
    try:
        check_required(message)
        return instance_from_proto(message)
    except InvalidRequestError as error:
        text = error.message.replace("The request", "The instance", 1)
        return InstanceInvalidError(text, violations=error.violations)
    except InstanceInvalidError as error:
        return error


def allowance_of(message: Any, name: str = "budget") -> Allowance:
    """Return what a message of a budget allows.

    Raises:
        InvalidRequestError: a number is negative or none, or there is a cost without prices.
    """
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if value < 0 or not math.isfinite(value):
            rule = "must be a number of 0 or more"
            path = f"{name}.{field.name}"
            raise InvalidRequestError(f"{path} {rule}.", violations=[Violation(path, rule)])
    prices = Prices(message.input_price, message.output_price)
    if message.max_cost and prices == Prices():
        path, rule = f"{name}.max_cost", "needs the prices of tokens beside it"
        raise InvalidRequestError(f"{path} {rule}.", violations=[Violation(path, rule)])
    return Allowance(message.max_tokens or None, message.max_cost or None, prices)


def _result(outcome: Judgement | GnomonError) -> pb.JudgeInstancesResponse.Result:
    if isinstance(outcome, GnomonError):
        return pb.JudgeInstancesResponse.Result(error=to_status(outcome))
    shares = (pb.Judgement.ClassShare(label=k, share=v) for k, v in outcome.soft_label.items())
    judgement = pb.Judgement(
        label=outcome.label,
        explanation=outcome.explanation,
        classes=shares,
        source=outcome.source.name,
        votes=outcome.votes,
    )
    return pb.JudgeInstancesResponse.Result(judgement=judgement)
