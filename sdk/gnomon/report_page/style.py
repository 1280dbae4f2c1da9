"""How a report's page looks: light or dark as the reader's system is, and on paper."""

CSS = """
:root {
  color-scheme: light dark;
  --ink: #1f2328; --faint: #656d76; --paper: #ffffff; --line: #d0d7de; --panel: #f6f8fa;
  --good: #1a7f37; --bad: #cf222e; --heat: 9, 105, 218; --warn: #9a6700;
  --c0: #0969da; --c1: #bc4c00; --c2: #1a7f37; --c3: #8250df; --c4: #bf3989; --c5: #1b7c83; --c6: #9a6700;
  --c7: #57606a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6edf3; --faint: #8d96a0; --paper: #0d1117; --line: #30363d; --panel: #161b22;
    --good: #3fb950; --bad: #f85149; --heat: 68, 147, 248; --warn: #d29922;
    --c0: #4493f8; --c1: #f0883e; --c2: #3fb950; --c3: #ab7df8; --c4: #f778ba; --c5: #39c5cf; --c6: #d29922;
    --c7: #8d96a0;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 78rem; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
h1 { font-size: 1.6rem; margin: 0 0 .2rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; border-bottom: 1px solid var(--line); padding-bottom: .2rem; }
p { margin: .4rem 0; }
.faint { color: var(--faint); }
.notes { background: var(--panel); border-left: 4px solid var(--warn); padding: .4rem 1rem; }
.wide { overflow-x: auto; }
.beside { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: .4rem 0; }
figcaption { color: var(--faint); font-size: .9rem; }
table { border-collapse: collapse; margin: .4rem 0; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--faint); font-weight: 600; }
td { white-space: nowrap; font-variant-numeric: tabular-nums; }
td.number { text-align: right; }
td.text { max-width: 36rem; white-space: pre-wrap; overflow-wrap: anywhere; }
td.heat { text-align: right; background: rgba(var(--heat), var(--share)); }
tr.faint td { color: var(--faint); }
svg { max-width: 100%; height: auto; font-size: 12px; }
svg text { fill: var(--ink); }
svg .faint { fill: var(--faint); }
svg .axis { stroke: var(--line); fill: none; }
svg .guide { stroke: var(--faint); stroke-dasharray: 4 4; fill: none; }
svg .curve { fill: none; stroke-width: 2; }
svg .whisker { stroke-width: 2; }
@media print { body { max-width: none; padding: 0; } h2 { break-after: avoid; } tr { break-inside: avoid; } }
"""
