"""The page of a report: HTML and style; light and dark follow the reader's settings."""

STATES = {"complete": "good", "running": "busy", "checkpointed": "busy", "failed": "bad"}  # classes of the state's mark

STYLE = """
:root { color-scheme: light dark; --paper: #fbfaf8; --card: #ffffff; --ink: #1a1a1b; --dim: #5d5d63; --line: #e4e2dd;
  --accent: #0072b2; --good: #00785a; --busy: #0072b2; --bad: #b84500; }
@media (prefers-color-scheme: dark) { :root { --paper: #131316; --card: #1c1c21; --ink: #e9e8e6; --dim: #a3a2a8;
  --line: #34343b; --accent: #6bbcec; --good: #3fc79c; --busy: #6bbcec; --bad: #ff8a4a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", Roboto, "DejaVu Sans",
  sans-serif; }
main { max-width: 66rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
header h1 { font-size: 2rem; line-height: 1.2; margin: 0; letter-spacing: -0.01em; }
header p { margin: 0.4rem 0 0; color: var(--dim); overflow-wrap: anywhere; }
.state { font-size: 0.85rem; font-weight: 600; padding: 0.15rem 0.7rem; border-radius: 1rem; border: 1px solid currentColor;
  vertical-align: 0.35rem; margin-left: 0.6rem; letter-spacing: 0; white-space: nowrap; }
.good { color: var(--good); } .busy { color: var(--busy); } .bad { color: var(--bad); } .idle { color: var(--dim); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 0.75rem; margin: 1.75rem 0 1rem; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 0.6rem; padding: 0.8rem 1rem;
  display: flex; flex-direction: column; }
.tile span, .tile small { color: var(--dim); font-size: 0.85rem; }
.tile b { font-size: 1.6rem; font-weight: 650; font-variant-numeric: tabular-nums; line-height: 1.3; }
nav { display: flex; flex-wrap: wrap; gap: 0.2rem 1.1rem; margin: 0 0 1.5rem; font-size: 0.92rem; }
a { color: var(--accent); text-decoration: none; } a:hover, a:focus-visible { text-decoration: underline; }
figure, .card { background: var(--card); border: 1px solid var(--line); border-radius: 0.6rem; margin: 0 0 1.25rem;
  padding: 1.1rem 1.25rem 1.25rem; }
h2 { font-size: 1.15rem; margin: 0 0 0.75rem; } h3 { font-size: 0.95rem; margin: 0 0 0.3rem; }
figure svg { display: block; max-width: 100%; height: auto; margin: 0 auto; }
figcaption { color: var(--dim); font-size: 0.92rem; margin-top: 0.6rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.88rem; }
figure .scroll { margin-top: 0.9rem; }
th, td { text-align: left; padding: 0.32rem 0.9rem 0.32rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--dim); font-weight: 600; } tbody tr:last-child td { border-bottom: 0; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.columns { columns: 20rem; column-gap: 2.2rem; }
.keys { break-inside: avoid; margin-bottom: 1.1rem; }
.keys td { overflow-wrap: anywhere; } .keys td + td { text-align: right; padding-right: 0; font-family: ui-monospace,
  "DejaVu Sans Mono", monospace; font-size: 0.82rem; }
summary { cursor: pointer; font-size: 1.15rem; font-weight: 700; } details[open] summary { margin-bottom: 0.9rem; }
footer { color: var(--dim); font-size: 0.85rem; }
@media print { figure, .card { break-inside: avoid; } nav { display: none; } }
""".replace("{", "{{").replace("}", "}}")

PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{title}}: report of a run of sinode</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<header>
<h1>{{title}}<span class="state {{state_class}}">{{state}}</span></h1>
<p>{{reason}}</p>
<p>{{path}} · as of {{now}}</p>
</header>
<div class=tiles>{{tiles}}</div>
<nav>{{where}}<a href=#files>Files</a><a href=#parameters>Parameters</a></nav>
{{figures}}
<div class=card id=files><h2>Files and where they come from</h2>{{provenance}}</div>
<details class=card id=parameters open><summary>Parameters in force</summary><div class=columns>{{parameters}}</div></details>
<footer>Written by sinode-tools report.</footer>
</main>
</body>
</html>
"""
