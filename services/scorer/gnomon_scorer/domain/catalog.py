"""What the registry holds, as the scorer knows it: versions and where aliases point. Pure."""

from dataclasses import dataclass, field

from gnomon.names import AliasName, MetricVersionName
from gnomon_scorer.domain.ports import AliasDeleted, AliasSet, CatalogEvent, VersionCreated, VersionDeleted


@dataclass(slots=True)
class CatalogView:
    """`aliases` are the registry's. What is served may lag: see `following`."""

    versions: set[MetricVersionName] = field(default_factory=set)
    aliases: dict[AliasName, MetricVersionName] = field(default_factory=dict)

    def apply(self, event: CatalogEvent) -> None:
        """Take in one event. Events may repeat, and may tell of what is gone already."""
        match event:
            case VersionCreated(version):
                self.versions.add(version)
            case VersionDeleted(version):
                self.versions.discard(version)
                self.aliases = {a: v for a, v in self.aliases.items() if v != version}
            case AliasSet(alias, version):
                self.versions.add(version)
                self.aliases[alias] = version
            case AliasDeleted(alias):
                self.aliases.pop(alias, None)
