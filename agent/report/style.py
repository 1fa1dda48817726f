"""The head of a page and its style sheet: light and dark, on paper and on a telephone, with the reader's own fonts."""

from __future__ import annotations

from agent.report.markup import Html, tag

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""A page asks for nothing outside itself, and runs nothing."""

STYLE = Html("""
:root{color-scheme:light dark;--fg:#1b1f24;--soft:#59636e;--line:#d5dae0;--bg:#fff;--card:#f6f8fa;--mine:#0969da;
--good:#1a7f37;--bad:#cf222e;--warm:#9a6700;--add:#dafbe1;--del:#ffebe9}
@media(prefers-color-scheme:dark){:root{--fg:#e6edf3;--soft:#9198a1;--line:#30363d;--bg:#0d1117;--card:#161b22;
--mine:#58a6ff;--good:#3fb950;--bad:#f85149;--warm:#d29922;--add:#12361f;--del:#4a1a1d}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:68rem;padding:1.2rem;background:var(--bg);color:var(--fg);
font:15px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.05rem;margin:0;color:var(--soft);font-weight:600}
h2{font-size:1.05rem;margin:2.2rem 0 .6rem;padding-bottom:.25rem;border-bottom:1px solid var(--line)}
h3{font-size:.9rem;margin:1.2rem 0 .4rem;color:var(--soft)}
.verdict{font-size:1.3rem;line-height:1.35;font-weight:600;margin:.2rem 0 .8rem;padding-left:.8rem;
border-left:4px solid var(--soft)}
.verdict.improved{border-color:var(--good)}.verdict.failed,.verdict.no_improvement{border-color:var(--bad)}
.verdict.interrupted,.verdict.unfinished{border-color:var(--warm)}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(13rem,1fr));gap:.5rem 1.2rem;margin:0}
dt{color:var(--soft);font-size:.8rem}dd{margin:0}
code,pre,td.n,.id,svg text{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.87rem}
th{text-align:left;color:var(--soft);font-weight:500}th,td{padding:.25rem .7rem .25rem 0;border-bottom:1px solid
var(--line);vertical-align:top}.n{text-align:right;white-space:nowrap}
svg{display:block;width:100%;height:auto;margin:.2rem 0}svg text{font-size:11px;fill:var(--soft)}
.grid{stroke:var(--line);stroke-width:.6}.axis{stroke:var(--soft)}.even{stroke:var(--soft);stroke-dasharray:4 3}
.interval{stroke:var(--soft);stroke-width:1.2;opacity:.55;fill:none}
.best{stroke:var(--mine);stroke-width:1.8;fill:none}path.rejected{stroke:var(--bad);stroke-width:1.3;fill:none}
.dots{stroke:var(--soft);stroke-width:4;stroke-linecap:round;fill:none}
circle{fill:var(--soft)}circle.was-best{fill:var(--mine)}circle.champion{fill:var(--good)}
circle.evicted{fill:var(--bg);stroke:var(--warm);stroke-width:1.5}
rect.baseline{fill:var(--soft);opacity:.45}rect.mine{fill:var(--mine)}
.floor{stroke:var(--good);stroke-width:2;stroke-dasharray:3 2}
.tree{list-style:none;margin:0;padding:0;font-size:.87rem}
.tree li{padding:.12rem 0 .12rem .6rem;margin-left:calc(min(var(--d),14)*1.1rem);border-left:3px solid var(--line)}
.tree li:target{background:var(--card)}
.tree .champion{border-color:var(--good);font-weight:600}.tree .was-best{border-color:var(--mine)}
.tree .rejected{border-color:var(--bad)}.tree .evicted,.tree .same{border-color:var(--warm)}
.fate,.note,.none,figcaption{color:var(--soft);font-size:.83rem}figure{margin:0 0 1rem}
.rejected .fate{color:var(--bad)}.champion .fate{color:var(--good)}.evicted .fate,.same .fate{color:var(--warm)}
pre{background:var(--card);border:1px solid var(--line);border-radius:4px;padding:.6rem;overflow-x:auto;
font-size:.8rem;line-height:1.4;max-height:36rem;margin:.4rem 0;overflow-wrap:normal}
pre .a{background:var(--add)}pre .d{background:var(--del)}pre .h{color:var(--mine)}
details{margin:.5rem 0}summary{cursor:pointer;color:var(--mine)}a{color:inherit}
.beside{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:.8rem}.beside>*{min-width:0}
@media print{body{max-width:none;font-size:11px}pre{max-height:none;white-space:pre-wrap}h2{break-after:avoid}
figure,tr,li{break-inside:avoid}}
""")


def head_of(title: str) -> Html:
    """The head of a page that is one file."""
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width,initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", STYLE),
    )
