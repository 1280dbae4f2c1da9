"""What a user may write for a resource name. Pure.

    project         support                 projects/support
    run             support/first           projects/support/runs/first
    metric          toxicity                metrics/toxicity
    metric version  toxicity                metrics/toxicity/versions/production
                    toxicity@3              metrics/toxicity/versions/3
                    toxicity@shadow         metrics/toxicity/versions/shadow
    alias           toxicity@shadow         metrics/toxicity/aliases/shadow
    dataset         tickets, tickets@2      datasets/tickets, datasets/tickets@2
    review          tickets/first           datasets/tickets/reviews/first
    labelling       tickets-1               labellings/tickets-1
    generation      tickets-1               generations/tickets-1
    recipe          small                   recipes/small
    provider        openai                  providers/openai
    API key         k3v9…                   apiKeys/k3v9…

Whole names are taken everywhere. Whatever is neither raises InvalidRequestError.
"""

from gnomon.names import (
    AliasName,
    ApiKeyName,
    DatasetName,
    GenerationName,
    LabellingName,
    MetricName,
    MetricVersionName,
    ProjectName,
    ProviderName,
    RecipeName,
    ReviewName,
    RunName,
    WebhookDeliveryName,
    WebhookName,
)

DEFAULT_ALIAS = "production"


def project(name: str) -> str:
    return str(ProjectName.parse(_under("projects", name), "project"))


def run(name: str) -> str:
    """Read `projects/{project}/runs/{run}` or `{project}/{run}`."""
    head, slash, tail = name.partition("/")
    if slash and "/" not in tail:
        name = f"projects/{head}/runs/{tail}"
    return str(RunName.parse(name, "run"))


def labelling(name: str) -> str:
    return str(LabellingName.parse(_under("labellings", name), "labelling"))


def metric(name: str) -> str:
    return str(MetricName.parse(_under("metrics", name), "metric"))


def metric_version(name: str, default_alias: str | None = DEFAULT_ALIAS) -> str:
    """Read a version: by number, by alias, or a metric alone, which means its `default_alias`.

    Without a default alias a metric alone is refused.
    """
    if name.startswith("metrics/"):
        base, at, version = name.removeprefix("metrics/").partition("/versions/")
    else:
        base, at, version = name.partition("@")
    if not at and default_alias is not None:
        version = default_alias
    whole = f"metrics/{base}/versions/{version}"
    field = "metric" if default_alias else "metric version"
    return str(MetricVersionName.parse(whole if at or default_alias else name, field))


def version_of(metric_name: str, version: str | int) -> str:
    """Read a version of a known metric: 3, `3`, `shadow`, `toxicity@3` or the whole name."""
    text = str(version)
    if "/" in text or "@" in text:
        return metric_version(text, None)
    return str(MetricVersionName.parse(f"{metric(metric_name)}/versions/{text}", "version"))


def alias(name: str) -> str:
    """Read `metrics/{metric}/aliases/{alias}` or `{metric}@{alias}`."""
    if not name.startswith("metrics/"):
        base, at, tail = name.partition("@")
        name = f"metrics/{base}/aliases/{tail}" if at else name
    return str(AliasName.parse(name, "alias"))


def alias_of(metric_name: str, alias_id: str) -> str:
    return str(AliasName.parse(f"{metric(metric_name)}/aliases/{alias_id}", "alias"))


def dataset(name: str) -> str:
    return str(DatasetName.parse(_under("datasets", name), "dataset"))


def review(name: str) -> str:
    """Read `datasets/{dataset}/reviews/{review}` or `{dataset}/{review}`."""
    head, slash, tail = name.partition("/")
    if slash and "/" not in tail:
        name = f"datasets/{head}/reviews/{tail}"
    return str(ReviewName.parse(name, "review"))


def generation(name: str) -> str:
    return str(GenerationName.parse(_under("generations", name), "generation"))


def recipe(name: str) -> str:
    return str(RecipeName.parse(_under("recipes", name), "recipe"))


def provider(name: str) -> str:
    return str(ProviderName.parse(_under("providers", name), "provider"))


def webhook(name: str) -> str:
    return str(WebhookName.parse(_under("webhooks", name), "webhook"))


def webhook_delivery(name: str) -> str:
    """Read `webhooks/{webhook}/deliveries/{delivery}` or `{webhook}/{delivery}`."""
    head, slash, tail = name.partition("/")
    if slash and "/" not in tail:
        name = f"webhooks/{head}/deliveries/{tail}"
    return str(WebhookDeliveryName.parse(name, "delivery"))


def _under(collection: str, name: str) -> str:
    return name if name.startswith(f"{collection}/") else f"{collection}/{name}"


def api_key(name: str) -> str:
    return str(ApiKeyName.parse(_under("apiKeys", name), "key"))
