"""The style sheet of the HTML view: light and dark, screen and paper, no outside fonts."""

__all__ = ["STYLE"]

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1b2127; --quiet: #59636e; --rule: #dde2e8;
  --accent: #2357c6; --pass: #176f34; --fail: #b4232c; --inconclusive: #855400;
  --pass-tint: #e7f5ec; --fail-tint: #fdecec; --inconclusive-tint: #fbf1dd;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #101418; --card: #181d23; --ink: #e7ebef; --quiet: #9da8b4; --rule: #2e363f;
    --accent: #82aeff; --pass: #5fd08a; --fail: #ff8b8f; --inconclusive: #e8b85a;
    --pass-tint: #14291d; --fail-tint: #331a1d; --inconclusive-tint: #2e2512;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.5rem 3rem; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 .75rem; letter-spacing: -.01em; }
h2 { font-size: 1.1rem; margin: 2.25rem 0 .75rem; }
p { margin: 0 0 .5rem; }
code, .formula { font: .92em/1.5 ui-monospace, "SF Mono", Consolas, "DejaVu Sans Mono", monospace; }
.quiet { color: var(--quiet); }
.command { color: var(--quiet); margin-bottom: .35rem; }
.headline { font-size: 1.15rem; max-width: 46rem; margin-bottom: 1.25rem; }
.verdict {
  display: flex; flex-wrap: wrap; align-items: center; gap: .75rem;
  border-left: 5px solid; border-radius: 6px; padding: .7rem 1rem; margin: 0;
}
.verdict strong { letter-spacing: .04em; }
.verdict span { color: var(--ink); }
.pass { color: var(--pass); } .fail { color: var(--fail); }
.inconclusive { color: var(--inconclusive); }
.verdict.pass { background: var(--pass-tint); } .verdict.fail { background: var(--fail-tint); }
.verdict.inconclusive { background: var(--inconclusive-tint); }
.card {
  background: var(--card); border: 1px solid var(--rule); border-radius: 8px;
  padding: 1rem 1.15rem; margin: 0 0 .75rem;
}
.card > :last-child, .check p:last-child { margin-bottom: 0; }
.check {
  display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 320px);
  gap: .25rem 1.5rem; align-items: center;
}
.check h3 { font-size: 1rem; margin: 0 0 .2rem; }
.badge {
  display: inline-block; border: 1px solid; border-radius: 4px; padding: 0 .4rem;
  margin-right: .5rem; font-size: .75rem; font-weight: 650; letter-spacing: .04em;
}
.sheet {
  overflow-x: auto; background: var(--card); border: 1px solid var(--rule);
  border-radius: 8px; margin: 0 0 .5rem; width: fit-content; max-width: 100%;
}
.sheet:focus-visible, summary:focus-visible {
  outline: 2px solid var(--accent); outline-offset: 2px;
}
table { border-collapse: collapse; min-width: 24rem; font-size: .93rem; }
th, td { padding: .45rem .9rem; text-align: left; vertical-align: top; }
thead th { color: var(--quiet); font-weight: 600; border-bottom: 1px solid var(--rule); }
tbody th { font-weight: 500; }
thead .number { white-space: normal; vertical-align: bottom; }
thead th { vertical-align: bottom; }
tbody th:not(.number) { min-width: 9rem; }
tbody tr + tr > * { border-top: 1px solid var(--rule); }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.charts {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr));
  gap: .75rem;
}
figure { margin: 0; }
figcaption { font-weight: 600; margin-bottom: .5rem; }
svg { display: block; width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--quiet); }
.middle { text-anchor: middle; } .end { text-anchor: end; }
.grid { stroke: var(--rule); } .axis { stroke: var(--quiet); }
.curve {
  fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round;
  stroke-linecap: round;
}
.curve-2 { stroke: var(--fail); stroke-dasharray: 7 4; }
.curve-3 { stroke: var(--pass); stroke-dasharray: 2 4; }
.curve-4 { stroke: var(--inconclusive); stroke-dasharray: 9 3 2 3; }
.curve-5 { stroke: var(--quiet); stroke-dasharray: 12 5; }
.curve-6 { stroke: var(--ink); stroke-dasharray: 1 3; }
.span { fill: var(--accent); }
.legend { list-style: none; padding: 0; margin: .5rem 0 0; font-size: .85rem; }
.legend li { display: flex; align-items: center; gap: .5rem; color: var(--quiet); }
.legend svg { flex: 0 0 26px; width: 26px; }
.chart .dot { fill: var(--accent); stroke: var(--card); stroke-width: 1; }
.chart .other { fill: var(--quiet); }
.strip .dot { fill: currentColor; stroke: var(--card); stroke-width: 2; }
.whisker { stroke: currentColor; stroke-width: 5; stroke-linecap: round; opacity: .45; }
.bound { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 3 2; }
.findings { list-style: none; padding: 0; margin: 0; }
.findings .error .badge { color: var(--fail); }
.findings .warning .badge { color: var(--inconclusive); }
.findings .note .badge { color: var(--quiet); }
main > details { margin-top: 2rem; }
details > summary { cursor: pointer; }
details > summary > h2 { display: inline; }
details[open] > summary { margin-bottom: .75rem; }
dl {
  display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .3rem 1rem;
  margin: .4rem 0 0;
}
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
dd + dd { grid-column: 2; }
ul.plain { margin: 0; padding-left: 1.1rem; }
footer {
  margin-top: 2.5rem; padding-top: 1rem; border-top: 1px solid var(--rule); font-size: .88rem;
  color: var(--quiet);
}
@media (max-width: 40rem) {
  main { padding: 1.5rem 1rem; }
  .check { grid-template-columns: minmax(0, 1fr); }
  table { width: max-content; }
  td, tbody th { max-width: 14rem; }
}
@media print {
  :root { --page: #fff; }
  body { font-size: 11pt; }
  main { max-width: none; padding: 0; }
  .card, .sheet, figure, tr { break-inside: avoid; }
  .sheet { overflow: visible; }
  h2 { break-after: avoid; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
"""
