"""The command line's grammar. Standard library only: ``--help`` must not pay for anything else.

Options that are settings keep their text: ``agent.settings`` checks them, because the environment and
``kernelwright.toml`` must be checked by the same rules. What was not given is absent, not a default.
"""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from kernelwright.output import write
from tools.errors import RequestError

EPILOG = """\
exit codes: 0 improved or accepted; 1 judged, and not; 2 wrong request; 3 infrastructure; 130 interrupted
settings:   command line > environment (KERNELWRIGHT_*) > kernelwright.toml > defaults
"""

_MODEL = (
    (
        "--model",
        "NAME",
        "builtin (default; no key, no network), openai:NAME, openai:NAME@URL or scripted:FILE; "
        "given several times, the run learns which one earns its cost",
    ),
    ("--base-url", "URL", "an OpenAI-compatible server, such as http://127.0.0.1:8000/v1"),
    ("--temperature", "T", "sampling temperature; default the server's"),
    ("--request-timeout-s", "S", "seconds of silence after which the model's server counts as hanging"),
    ("--price-in", "USD", "dollars a million prompt tokens"),
    ("--price-out", "USD", "dollars a million completion tokens"),
    ("--price-cached", "USD", "dollars a million prompt tokens that the server had cached"),
    ("--prices", "FILE", "TOML file with prices of models, above the packaged table"),
    ("--max-reply-tokens", "N", "the longest reply that is asked for; where a cap is set, 16384"),
    ("--return-reasoning", "R", "auto (default), always or never: whether servers get a model's reasoning back"),
    ("--requests-per-minute", "N", "rate limit of each model's server"),
    ("--tokens-per-minute", "N", "rate limit of each model's server"),
    ("--max-outage-seconds", "S", "how long to wait for a server that is out; default 4 h, 0 before its first answer"),
    ("--context-tokens", "N", "the model's context window; default what is known of the model"),
    ("--analysis", "A", "who diagnoses candidates and looks things up: rule (default) or model"),
    ("--analysis-tokens", "N", "tokens one such question may take"),
    ("--knowledge", "DIRS", "folders of documents besides ours, separated as in PATH; they override by name"),
)
_REPEATED = ("--model",)
_SEARCH = (
    ("--policy", "P", "how parents are picked: greedy, mcts or evolution"),
    ("--slots", "N", "proposals made in parallel"),
    ("--drafts", "N", "independent proposals that see nothing, before anything is built upon"),
    ("--restart-after", "N", "let a slot start anew, seeing nothing, after N candidates without a better one"),
    ("--sight", "S", "what a proposal sees: policy (as that says), parent, siblings, both, all or none"),
    ("--tune-trials", "N", "settings tried of a candidate that leaves numbers open; 0 for none, default 16"),
    (
        "--tune-seconds",
        "S",
        "seconds all tuning may take; default a quarter of --max-seconds, of which they are a part",
    ),
    ("--max-candidates", "N", "stop after judging N candidates"),
    ("--max-seconds", "S", "stop after S seconds"),
    ("--deadline", "T", "begin no candidate after it: 07:30, 2026-12-01T07:30 or 8h"),
    ("--max-tokens", "T", "spend no more than T tokens: no call begins whose worst case is beyond"),
    ("--max-cost", "USD", "spend no more than so many dollars, likewise; needs prices"),
    ("--stall", "N", "stop after N candidates in a row without a better one"),
    ("--target-speedup", "X", "stop at X times the best baseline"),
    ("--target-roofline", "F", "stop at this fraction of the least time that the device allows, such as 0.9"),
    ("--enough-tokens", "T", "begin no further round once T tokens were spent"),
    ("--asking", "A", "tools (default) or once: a single reply that holds the file, with no tool and no feedback"),
    ("--max-steps", "N", "model calls one proposal may take"),
    ("--seed", "N", "of the search; default 0"),
    ("--trace-endpoint", "URL", "send the run as OpenTelemetry spans there; needs kernelwright[otel]"),
)
_TARGET = (
    ("--target", "T", "the chip: cpu (default), cuda (the GPU that is here), or one of `kernelwright targets`"),
    ("--language", "L", "of the candidate; default cpp"),
)
_JUDGING = (
    ("--precision", "P", "native (default) or tolerance: the licence a candidate is judged under"),
    ("--atol", "A", "absolute tolerance, under --precision tolerance"),
    ("--rtol", "R", "relative tolerance, under --precision tolerance"),
    ("--check-seeds", "N", "secret input sets a check"),
    ("--blocks", "N", "interleaved timing blocks a judgement"),
    ("--close-call-s", "S", "seconds that an ambiguous confirmation may be measured on"),
    ("--threads", "N", "threads every contender gets; default all cores"),
    ("--memory-bytes", "N", "memory one sandbox may use"),
    ("--stage-timeout-s", "S", "seconds one answer may take; a candidate gets ten times that in all"),
    ("--isolation", "I", "docker, bubblewrap or process; default the strongest there is"),
)

_RUN = "a run's id, the beginning of one, or its folder"
_RUN_OR_PLAN = "the id of a run or a plan, the beginning of one, or its folder"
_DETACH = "go on in a process of its own, which survives this terminal and begins anew what crashes"


class Parser(argparse.ArgumentParser):
    """Raises RequestError with one line instead of printing its usage and exiting."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        """Called by argparse for whatever it cannot understand."""
        raise RequestError(f"{message} (see {self.prog} --help)")

    def print_help(self, file: Any = None) -> None:
        """As argparse does, but a reader that left early is no error."""
        write(self.format_help().rstrip())


def make_parser() -> Parser:
    """The whole grammar; ``command`` in the result names the module of ``kernelwright.commands`` to run."""
    parser = Parser(
        prog="kernelwright",
        description="Make PyTorch operators fast: candidates are written, judged honestly, remembered.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    _add_looking(commands)
    _add_optimize(commands)
    _add_chat(commands)
    _add_evaluate(commands)
    _add_plans(commands)
    _add_runs(commands)
    _add_eval(commands)
    _add_memory(commands)
    return parser


def _command(commands: Any, name: str, purpose: str, **options: Any) -> Parser:
    parser: Parser = commands.add_parser(
        name,
        help=purpose,
        description=purpose[0].upper() + purpose[1:] + ".",
        argument_default=argparse.SUPPRESS,
        **options,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    return parser


def _options(parser: Parser, title: str, *groups: tuple[tuple[str, str, str], ...]) -> None:
    group = parser.add_argument_group(title)
    for flag, metavar, purpose in (row for rows in groups for row in rows):
        group.add_argument(flag, metavar=metavar, help=purpose, action="append" if flag in _REPEATED else "store")


def _allow_unsandboxed(parser: Parser) -> None:
    parser.add_argument(
        "--allow-unsandboxed",
        action="store_true",
        help="run code you did not write in a plain child process when there is no sandbox; dangerous",
    )


def _add_looking(commands: Any) -> None:
    doctor = _command(commands, "doctor", "say what this machine can run, with which isolation, and what is missing")
    _options(doctor, "the models to ask after", _MODEL[:2])
    _command(commands, "targets", "list targets and languages with their evidence levels")


def _add_optimize(commands: Any) -> None:
    parser = _command(commands, "optimize", "make the operator in a problem file faster")
    parser.add_argument(
        "problem", metavar="PROBLEM", help="a Python file: class Model, get_inputs(), get_init_inputs()"
    )
    parser.add_argument(
        "--start",
        metavar="FILE",
        action="append",
        help="a kernel of yours (class ModelNew): judged first, built upon, to be beaten; may be given several times",
    )
    parser.add_argument("--out", metavar="DIR", help="run folder; default a new one under KERNELWRIGHT_HOME")
    parser.add_argument("--detach", action="store_true", help=_DETACH)
    parser.add_argument("--no-memory", action="store_true", help="neither recall nor remember")
    parser.add_argument("--no-streaming", action="store_true", help="ask the model for whole replies")
    parser.add_argument("--no-stop-at-floor", action="store_true", help="search on where nothing is left to win")
    parser.add_argument("--no-profiler", action="store_true", help="let the model ask no profiler")
    _allow_unsandboxed(parser)
    _options(parser, "target and model", _TARGET, _MODEL)
    _options(parser, "search", _SEARCH)
    _options(parser, "judging", _JUDGING)


def _add_chat(commands: Any) -> None:
    purpose = "talk: paste an operator, watch the search, steer it, leave with the kernel"
    parser: Parser = commands.add_parser(
        "chat", help=purpose, description=purpose[0].upper() + purpose[1:] + ".", argument_default=argparse.SUPPRESS
    )
    parser.add_argument("problem", metavar="PROBLEM", nargs="?", help="a Python file: a problem, a class or a function")
    parser.add_argument("--resume", metavar="CHAT", nargs="?", const="", help="take up a chat, or the last one")
    parser.add_argument("--list", action="store_true", help="list the chats there are")
    parser.add_argument("--no-memory", action="store_true", help="neither recall nor remember")
    parser.add_argument("--no-streaming", action="store_true", help="ask the model for whole replies")
    parser.add_argument("--no-stop-at-floor", action="store_true", help="search on where nothing is left to win")
    _allow_unsandboxed(parser)
    _options(parser, "target and model", _TARGET, _MODEL)
    _options(parser, "search", _SEARCH)
    _options(parser, "judging", _JUDGING)


def _add_evaluate(commands: Any) -> None:
    parser = _command(commands, "evaluate", "judge one candidate file against a problem file")
    parser.add_argument("problem", metavar="PROBLEM", help="the problem file")
    parser.add_argument("candidate", metavar="CANDIDATE", help="a Python file with class ModelNew")
    _allow_unsandboxed(parser)
    _options(parser, "target", _TARGET)
    _options(parser, "judging", _JUDGING)


def _add_runs(commands: Any) -> None:
    _command(commands, "runs", "list the runs of this machine")
    for name, purpose in (
        ("resume", "go on with an interrupted run or plan; no candidate is judged twice"),
        ("show", "show a run: its state, its candidates, its champion"),
        ("report", "print the report of a run or a plan: Markdown, one HTML file that asks for nothing else, or JSON"),
    ):
        parser = _command(commands, name, purpose)
        both = name in ("resume", "report")
        parser.add_argument("run", metavar="RUN", help=_RUN_OR_PLAN if both else _RUN)
        if name == "resume":
            parser.add_argument("--detach", action="store_true", help=_DETACH)
        if name == "report":
            parser.add_argument("--format", choices=("markdown", "html", "json"), help="default markdown")
        if name == "show":
            parser.add_argument(
                "--replay", action="store_true", help="rebuild it from its log alone, and compare with what it left"
            )
    _add_export(commands)


def _add_plans(commands: Any) -> None:
    parser = _command(commands, "run", "work through a plan of many operators, or go on with it (docs/plans.md)")
    parser.add_argument("plan", metavar="PLAN", help="a plan file, or the id or the folder of a plan that has begun")
    parser.add_argument("--detach", action="store_true", help=_DETACH)
    parser.add_argument("--new", action="store_true", help="begin the file anew, whatever became of it before")
    parser = _command(commands, "watch", "follow what a run or a plan does, from any terminal, until it ends")
    parser.add_argument("run", metavar="RUN", help=_RUN_OR_PLAN)
    for name, purpose in (
        ("pause", "hold a run or a plan after what it is doing; its seconds are not spent"),
        ("go-on", "let a run or a plan that was paused go on"),
        ("stop", "stop a run or a plan at the next step; the state is kept, resume goes on"),
        ("finish", "search no further: confirm the best so far and end; a plan begins no other operator"),
    ):
        parser = _command(commands, name, purpose)
        parser.add_argument("run", metavar="RUN", help=_RUN_OR_PLAN)
        parser.set_defaults(module="asking", kind=name.replace("-", "_"))


def _add_export(commands: Any) -> None:
    parser = _command(commands, "export", "print a run's champion, or what runs said and did as training data")
    parser.add_argument("runs", metavar="RUN", nargs="+", help=_RUN)
    parser.add_argument("--to", metavar="FILE", help="write the champion there; an existing file is replaced")
    group = parser.add_argument_group("training data (docs/training-data.md)")
    group.add_argument("--format", choices=("sft", "preferences", "groups"), help="one JSON object a line")
    group.add_argument("--out", metavar="FILE", help="write the lines there; an existing file is replaced")
    group.add_argument("--with-rejected", action="store_true", help="sft: the rejected ones too, labelled")
    group.add_argument("--with-cheats", action="store_true", help="sft: those rejected for cheating too, labelled")


def _add_eval(commands: Any) -> None:
    parser = _command(commands, "eval", "run a suite of problems and score the agent, or compare two such reports")
    parser.add_argument(
        "suite",
        metavar="SUITE",
        help="cpu, gpu, gate, paper, integrity, a suite file, kernelbench:CHECKOUT[/level1], flashinfer:DATASET, "
        "sol:DATASET, opinfo[:PATTERN[:DTYPE]]; or compare",
    )
    parser.add_argument(
        "reports", metavar="REPORT", nargs="*", help="of compare: two reports or results folders, the former one first"
    )
    _add_scoring(parser)
    parser.add_argument("--only", metavar="PATTERN", help="only problems (or programs) of such names: 't0*', '*ReLU*'")
    parser.add_argument(
        "--max-cases",
        metavar="N",
        type=int,
        help="of flashinfer, sol and opinfo: so many workloads of all sizes a problem",
    )
    parser.add_argument("--problems", metavar="DIR", help="write the suite's problem files there, and run nothing")
    parser.add_argument("--sample", metavar="N", type=int, help="of the suite integrity, so many programs by lot")
    parser.add_argument("--confirm", action="store_true", help="of the suite integrity, confirm all that is accepted")
    parser.add_argument("--out", metavar="DIR", help="results folder; finished problems in it are not run again")
    parser.add_argument("--no-memory", action="store_true", help="neither recall nor remember")
    parser.add_argument("--no-streaming", action="store_true", help="ask the model for whole replies")
    parser.add_argument("--no-stop-at-floor", action="store_true", help="search on where nothing is left to win")
    parser.add_argument("--no-profiler", action="store_true", help="let the model ask no profiler")
    _allow_unsandboxed(parser)
    _options(parser, "target, where the suite names none: other formats, integrity", _TARGET)
    _options(parser, "model", _MODEL)
    _options(parser, "search, for each problem", _SEARCH)
    _options(parser, "judging", _JUDGING)


def _add_scoring(parser: Parser) -> None:
    group = parser.add_argument_group("scoring and comparing (docs/evals.md)")
    group.add_argument(
        "--repeats", metavar="N", type=int, help="so many times, each with a seed and a memory of its own"
    )
    group.add_argument(
        "--arms",
        metavar="ARMS",
        help="what is set side by side: agent, once and best_of_n, with commas; default all, of builtin the agent",
    )
    group.add_argument(
        "--without",
        metavar="PART",
        action="append",
        help="take a part of the agent away: memory, policy, profiler or tuning; may be given several times",
    )
    group.add_argument("--against", metavar="REPORT", help="compare with this report at the end; 1 for a regression")
    group.add_argument("--arm", metavar="ARM", help="of compare: which arm of both reports; default agent")
    group.add_argument("--across", action="store_true", help="compare reports of different targets or devices, too")


def _add_memory(commands: Any) -> None:
    parser: Parser = commands.add_parser(
        "memory", help="look into what was learned", description="Look into what was learned."
    )
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    search = _command(actions, "search", "full text over problems, operators, strategies and lessons")
    search.add_argument("text", metavar="TEXT", nargs="+", help="words, or beginnings of words")
    search.add_argument("--limit", metavar="N", type=int, help="at most so many; default 10")
    for name, purpose in (
        ("add", "store one experience from a JSON file"),
        ("import", "store experiences from a file with one JSON object a line"),
        ("export", "write every experience, one JSON object a line"),
    ):
        action = _command(actions, name, purpose)
        action.add_argument("file", metavar="FILE", help="a path, or - for standard input or output")
