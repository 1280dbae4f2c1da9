"""Use cases of API keys."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gnomon.api_keys import SCOPES, KeyText
from gnomon.errors import ApiKeyRevokedError, Violation
from gnomon.names import ApiKeyName, ProjectName
from gnomon.quotas import NO_QUOTAS, Quotas, problems_of
from gnomon_registry.domain.api_key import (
    LONGEST_OVERLAP,
    MOST_EARLIER,
    UNKNOWN,
    ApiKey,
    KeyState,
    Verified,
    verified,
)
from gnomon_registry.domain.lookup import check_etag, not_found, the_project
from gnomon_registry.domain.ports import CatalogReader, CatalogStore, Clock, NewEtag
from gnomon_registry.domain.requests import RequestKey, answer_of, remember
from gnomon_registry.domain.rules import check_texts, refuse

NewKey = Callable[[str | None], KeyText]
"""Makes a key: a new one, or a new secret for an ID."""

MOST_PROJECTS = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a key to create may do; projects by their whole names."""

    display_name: str
    scopes: Sequence[str]
    projects: Sequence[str]
    expire_time: datetime | None
    quotas: Quotas = NO_QUOTAS


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """`operators` are keys that the operator made and gave to this process: always valid, in no list."""

    store: CatalogStore
    clock: Clock
    new_etag: NewEtag
    new_key: NewKey
    operators: Mapping[str, ApiKey] = field(default_factory=dict)

    def create(self, wanted: Wanted, created_by: str, key: RequestKey | None) -> tuple[ApiKey, str]:
        """Return the key and its text, which is empty if an earlier call with this request ID got it."""
        now = self.clock()
        names = _check(wanted, now)
        with self.store.writing() as catalog:
            if answer := answer_of(catalog, key):
                return _the_key(catalog, ApiKeyName.parse(answer)), ""
            for name in names:
                the_project(catalog, name)
            text = self._unused(catalog)
            made = ApiKey(
                name=ApiKeyName(text.id),
                display_name=wanted.display_name,
                scopes=tuple(scope for scope in SCOPES if scope in wanted.scopes),
                projects=tuple(sorted({name.project for name in names})),
                secret_sha256=text.secret_sha256,
                last_four=text.last_four,
                created_by=created_by,
                etag=self.new_etag(),
                create_time=now,
                rotate_time=now,
                expire_time=wanted.expire_time,
                quotas=wanted.quotas,
            )
            catalog.put_api_key(made)
            remember(catalog, key, made.name)
        return made, text.text

    def _unused(self, catalog: CatalogReader) -> KeyText:
        while catalog.api_key((text := self.new_key(None)).id) or text.id in self.operators:
            pass  # keys are kept for ever, so no ID is given twice
        return text

    def get(self, name: ApiKeyName) -> ApiKey:
        with self.store.reading() as catalog:
            return _the_key(catalog, name)

    def page(self, after: str, limit: int) -> list[ApiKey]:
        with self.store.reading() as catalog:
            return catalog.api_keys(after, limit)

    def update(self, name: ApiKeyName, texts: Mapping[str, str], quotas: Quotas | None, etag: str) -> ApiKey:
        """Write the given texts by field name: `display_name`; and the quotas, if they are given."""
        check_texts("api_key", **texts)
        refuse(problems_of(quotas or NO_QUOTAS, "api_key.quotas"))
        with self.store.writing() as catalog:
            key = _the_key(catalog, name)
            check_etag(etag, key.etag, name)
            changed = dataclasses.replace(
                key,
                quotas=key.quotas if quotas is None else quotas,
                **texts,  # type: ignore[arg-type]  # texts are its texts
            )
            if changed != key:
                changed = dataclasses.replace(changed, etag=self.new_etag())
                catalog.put_api_key(changed)
        return changed

    def rotate(self, name: ApiKeyName, overlap: timedelta, etag: str) -> tuple[ApiKey, str]:
        """Return the key and its new text; the earlier ones are valid for `overlap` at most."""
        if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
            refuse([Violation("overlap", f"must be 0 to {LONGEST_OVERLAP.days} days")])
        now = self.clock()
        with self.store.writing() as catalog:
            key = _the_key(catalog, name)
            check_etag(etag, key.etag, name)
            if key.revoke_time is not None:
                raise ApiKeyRevokedError(
                    f"{name} was revoked, and stays so. Create another key.", resource=str(name)
                )
            earlier = key.earlier_beside_a_new_text(now, overlap)
            if len(earlier) > MOST_EARLIER:
                rule = f"would leave more than {MOST_EARLIER} earlier texts valid; wait until one ends, or "
                refuse([Violation("overlap", rule + "give 0, which ends them all now")])
            text = self.new_key(name.api_key)
            rotated = dataclasses.replace(
                key,
                secret_sha256=text.secret_sha256,
                last_four=text.last_four,
                earlier=earlier,
                rotate_time=now,
                etag=self.new_etag(),
            )
            catalog.put_api_key(rotated)
        return rotated, text.text

    def revoke(self, name: ApiKeyName) -> ApiKey:
        with self.store.writing() as catalog:
            key = _the_key(catalog, name)
            if key.revoke_time is None:
                key = dataclasses.replace(key, revoke_time=self.clock(), etag=self.new_etag())
                catalog.put_api_key(key)
        return key

    def verify(self, key_id: str, secret_sha256: bytes) -> Verified:
        """Tell what became of a key that was shown."""
        now = self.clock()
        if operator := self.operators.get(key_id):
            found = verified(operator, secret_sha256, now)
            return found if found.state is KeyState.VALID else UNKNOWN
        with self.store.reading() as catalog:
            return verified(catalog.api_key(key_id), secret_sha256, now)


def _the_key(catalog: CatalogReader, name: ApiKeyName) -> ApiKey:
    if (key := catalog.api_key(name.api_key)) is None:
        raise not_found(name)
    return key


def _check(wanted: Wanted, now: datetime) -> list[ProjectName]:
    """Return the projects, or raise InvalidRequestError that names all that is wrong."""
    check_texts("api_key", display_name=wanted.display_name)
    refuse(_problems(wanted, now))
    return [ProjectName.parse(name, f"api_key.projects[{i}]") for i, name in enumerate(wanted.projects)]


def _problems(wanted: Wanted, now: datetime) -> Iterable[Violation]:
    for index, scope in enumerate(wanted.scopes):
        if scope not in SCOPES:
            rule = f"is {scope[:40]!r}; it must be one of: {', '.join(SCOPES)}"
            yield Violation(f"api_key.scopes[{index}]", rule)
    if len(wanted.projects) > MOST_PROJECTS:
        yield Violation(
            "api_key.projects", f"are {len(wanted.projects)}; at most {MOST_PROJECTS} are allowed"
        )
    if wanted.projects and (unbound := {"admin", "service"}.intersection(wanted.scopes)):
        rule = f"cannot bind a key with the scope {sorted(unbound)[0]}, which is for all projects"
        yield Violation("api_key.projects", rule)
    yield from problems_of(wanted.quotas, "api_key.quotas")
    if wanted.expire_time is not None and wanted.expire_time <= now:
        yield Violation("api_key.expire_time", "must be in the future")


def operator_key(text: KeyText, display_name: str, scopes: tuple[str, ...], now: datetime) -> ApiKey:
    """Return what a key of the operator's may do; it is known as long as this process has it."""
    return ApiKey(
        name=ApiKeyName(text.id),
        display_name=display_name,
        scopes=scopes,
        projects=(),
        secret_sha256=text.secret_sha256,
        last_four=text.last_four,
        created_by="operator",
        etag="",
        create_time=now,
        rotate_time=now,
    )
