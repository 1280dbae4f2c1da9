"""Resource names: `metrics/toxicity/versions/3` and the like. Pure.

Every name that enters a service is parsed here, so that nothing but these
characters ever reaches a path, a query or a log.
"""

import re
from dataclasses import dataclass

from gnomon.errors import InvalidRequestError, Violation

_ID = r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NUMBER = r"[1-9][0-9]{0,8}"

ID_RULE = "lower-case letters, digits and hyphens, starting with a letter, at most 63 characters"


def check_id(value: str, field: str) -> str:
    """Return the ID, or raise InvalidRequestError naming the field and the rule."""
    if not re.fullmatch(_ID, value):
        raise _invalid(value, field, ID_RULE)
    return value


def _invalid(value: str, field: str, rule: str) -> InvalidRequestError:
    shown = repr(value if len(value) <= 80 else value[:80] + "…")
    return InvalidRequestError(
        f"{field} is {shown}; it must be {rule}.", violations=[Violation(field, f"must be {rule}")]
    )


def _match(pattern: str, value: str, field: str, rule: str) -> re.Match[str]:
    match = re.fullmatch(pattern, value)
    if match is None:
        raise _invalid(value, field, rule)
    return match


@dataclass(frozen=True, slots=True)
class ProjectName:
    project: str

    @classmethod
    def parse(cls, name: str, field: str = "name") -> "ProjectName":
        return cls(_match(f"projects/({_ID})", name, field, "of the form projects/{project}")[1])

    def __str__(self) -> str:
        return f"projects/{self.project}"


@dataclass(frozen=True, slots=True)
class RunName:
    project: str
    run: str

    @classmethod
    def parse(cls, name: str, field: str = "name") -> "RunName":
        match = _match(
            f"projects/({_ID})/runs/({_ID})", name, field, "of the form projects/{project}/runs/{run}"
        )
        return cls(match[1], match[2])

    def __str__(self) -> str:
        return f"projects/{self.project}/runs/{self.run}"


@dataclass(frozen=True, slots=True)
class MetricName:
    metric: str

    @classmethod
    def parse(cls, name: str, field: str = "name") -> "MetricName":
        return cls(_match(f"metrics/({_ID})", name, field, "of the form metrics/{metric}")[1])

    def __str__(self) -> str:
        return f"metrics/{self.metric}"


@dataclass(frozen=True, slots=True)
class PresetEdition:
    """A preset in one edition. Presets are no resources: they come with the SDK."""

    preset: str
    edition: int

    @classmethod
    def parse(cls, name: str, field: str = "preset") -> "PresetEdition":
        match = _match(f"({_ID})@({_NUMBER})", name, field, "of the form {preset}@{edition}")
        return cls(match[1], int(match[2]))

    def __str__(self) -> str:
        return f"{self.preset}@{self.edition}"


@dataclass(frozen=True, slots=True)
class MetricVersionName:
    """A version by number, or by an alias where `alias` is set."""

    metric: str
    number: int | None
    alias: str | None = None

    @classmethod
    def parse(cls, name: str, field: str = "name") -> "MetricVersionName":
        rule = "of the form metrics/{metric}/versions/{version}, a number or an alias"
        match = _match(f"metrics/({_ID})/versions/(?:({_NUMBER})|({_ID}))", name, field, rule)
        return cls(match[1], int(match[2]) if match[2] else None, match[3])

    def __str__(self) -> str:
        return f"metrics/{self.metric}/versions/{self.number or self.alias}"


@dataclass(frozen=True, slots=True)
class AliasName:
    metric: str
    alias: str

    @classmethod
    def parse(cls, name: str, field: str = "name") -> "AliasName":
        rule = "of the form metrics/{metric}/aliases/{alias}"
        match = _match(f"metrics/({_ID})/aliases/({_ID})", name, field, rule)
        return cls(match[1], match[2])

    def __str__(self) -> str:
        return f"metrics/{self.metric}/aliases/{self.alias}"


@dataclass(frozen=True, slots=True)
class DatasetName:
    """A dataset, in its newest version where `version` is None."""

    dataset: str
    version: int | None = None

    @classmethod
    def parse(cls, name: str, field: str = "name") -> "DatasetName":
        rule = "of the form datasets/{dataset} or datasets/{dataset}@{version}"
        match = _match(f"datasets/({_ID})(?:@({_NUMBER}))?", name, field, rule)
        return cls(match[1], int(match[2]) if match[2] else None)

    def __str__(self) -> str:
        return f"datasets/{self.dataset}" + (f"@{self.version}" if self.version else "")


@dataclass(frozen=True, slots=True)
class ReviewName:
    dataset: str
    review: str

    @classmethod
    def parse(cls, name: str, field: str = "name") -> "ReviewName":
        rule = "of the form datasets/{dataset}/reviews/{review}"
        match = _match(f"datasets/({_ID})/reviews/({_ID})", name, field, rule)
        return cls(match[1], match[2])

    def __str__(self) -> str:
        return f"datasets/{self.dataset}/reviews/{self.review}"


@dataclass(frozen=True, slots=True)
class GenerationName:
    generation: str

    @classmethod
    def parse(cls, name: str, field: str = "name") -> "GenerationName":
        match = _match(f"generations/({_ID})", name, field, "of the form generations/{generation}")
        return cls(match[1])

    def __str__(self) -> str:
        return f"generations/{self.generation}"


@dataclass(frozen=True, slots=True)
class RecipeName:
    recipe: str

    @classmethod
    def parse(cls, name: str, field: str = "name") -> "RecipeName":
        return cls(_match(f"recipes/({_ID})", name, field, "of the form recipes/{recipe}")[1])

    def __str__(self) -> str:
        return f"recipes/{self.recipe}"


@dataclass(frozen=True, slots=True)
class ProviderName:
    provider: str

    @classmethod
    def parse(cls, name: str, field: str = "name") -> "ProviderName":
        return cls(_match(f"providers/({_ID})", name, field, "of the form providers/{provider}")[1])

    def __str__(self) -> str:
        return f"providers/{self.provider}"


@dataclass(frozen=True, slots=True)
class ApiKeyName:
    api_key: str

    @classmethod
    def parse(cls, name: str, field: str = "name") -> "ApiKeyName":
        return cls(_match(f"apiKeys/({_ID})", name, field, "of the form apiKeys/{api_key}")[1])

    def __str__(self) -> str:
        return f"apiKeys/{self.api_key}"


@dataclass(frozen=True, slots=True)
class LabellingName:
    labelling: str

    @classmethod
    def parse(cls, name: str, field: str = "name") -> "LabellingName":
        return cls(_match(f"labellings/({_ID})", name, field, "of the form labellings/{labelling}")[1])

    def __str__(self) -> str:
        return f"labellings/{self.labelling}"


@dataclass(frozen=True, slots=True)
class OperationName:
    operation: str

    @classmethod
    def parse(cls, name: str, field: str = "name") -> "OperationName":
        return cls(_match(f"operations/({_ID})", name, field, "of the form operations/{operation}")[1])

    def __str__(self) -> str:
        return f"operations/{self.operation}"


@dataclass(frozen=True, slots=True)
class WebhookName:
    webhook: str

    @classmethod
    def parse(cls, name: str, field: str = "name") -> "WebhookName":
        return cls(_match(f"webhooks/({_ID})", name, field, "of the form webhooks/{webhook}")[1])

    def __str__(self) -> str:
        return f"webhooks/{self.webhook}"


@dataclass(frozen=True, slots=True)
class WebhookDeliveryName:
    webhook: str
    delivery: str

    @classmethod
    def parse(cls, name: str, field: str = "name") -> "WebhookDeliveryName":
        rule = "of the form webhooks/{webhook}/deliveries/{delivery}"
        match = _match(f"webhooks/({_ID})/deliveries/({_ID})", name, field, rule)
        return cls(match[1], match[2])

    def __str__(self) -> str:
        return f"webhooks/{self.webhook}/deliveries/{self.delivery}"
