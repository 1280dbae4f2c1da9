"""Presets: metrics that are defined already, ready to be installed in a registry.

A preset is one TOML file in `catalog/`: what is measured, the classes with
their rubrics, the judge prompt, and labelled examples. It has an edition, which
counts up when its meaning changes; a metric that was installed from it says
which (`toxicity-output@1`).

    client.metrics.install_preset("toxicity-output")
    client.metrics.install_preset("brand-tone", "acme-voice", values={"voice": "Plain, dry, never cute."})

Text in double braces, such as `{{voice}}`, stands for a parameter, whose value
the one who installs the preset gives.
"""

from gnomon.presets.catalog import list_presets, load
from gnomon.presets.installed import Installed, Outcome
from gnomon.presets.preset import Parameter, Preset, PresetClass, PresetExample

__all__ = [
    "Installed",
    "Outcome",
    "Parameter",
    "Preset",
    "PresetClass",
    "PresetExample",
    "list_presets",
    "load",
]
