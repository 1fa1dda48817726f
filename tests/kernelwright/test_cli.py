import re
import signal
from pathlib import Path

import pytest

import kernelwright
from agent.settings import AgentSettings
from kernelwright import cli, exit_codes
from kernelwright.arguments import make_parser
from kernelwright.commands.eval import OWN
from kernelwright.commands.optimize import to_settings
from memory.conformance import make_experience

ASKING = {"pause", "go-on", "stop", "finish"}
COMMANDS = {
    *(
        "doctor",
        "targets",
        "optimize",
        "chat",
        "evaluate",
        "runs",
        "resume",
        "show",
        "report",
        "export",
        "eval",
        "memory",
        "run",
        "watch",
    ),
    *ASKING,
}


def options_of(name: str) -> set[str]:
    parser = make_parser()._subparsers._group_actions[0].choices[name]
    return {action.dest for action in parser._actions if action.option_strings} - {"help", "json"}


def test_help_names_every_command(command):
    answer = command("--help")
    assert answer.code == 0
    assert set(re.findall(r"^    ([a-z-]+) ", answer.out, re.MULTILINE)) == COMMANDS
    assert answer.err == ""


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_and_a_module(command, repository, name):
    assert command(name, "--help").code == 0
    module = "asking" if name in ASKING else name
    assert (repository / "kernelwright" / "commands" / f"{module}.py").is_file()


def test_version(command):
    assert command("--version").out == f"kernelwright {kernelwright.__version__}\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "doctor"),
        (["frobnicate"], "invalid choice: 'frobnicate'"),
        (["optimize"], "PROBLEM"),
        (["optimize", "p.py", "--frob"], "unrecognized arguments: --frob"),
        (["optimize", "p.py", "--seed"], "expected one argument"),
        (["optimize", "nowhere.py"], "no problem file at nowhere.py"),
        (["optimize", "nowhere.py", "--seed", "x"], "--seed"),
        (["optimize", "nowhere.py", "--max-candidates", "0"], "--max-candidates"),
        (["optimize", "nowhere.py", "--target", "abacus"], "abacus"),
        (["evaluate", "nowhere.py", "c.py", "--isolation", "hope"], "--isolation"),
        (["memory"], "ACTION"),
        (["memory", "search", "x", "--limit", "many"], "--limit"),
        (["memory", "import", "nowhere.jsonl"], "nowhere.jsonl"),
        (["show", "no-such-run"], "no-such-run"),
        (["resume", "no-such-run"], "no-such-run"),
        (["report", "no-such-run"], "no-such-run"),
        (["export", "no-such-run"], "no-such-run"),
    ],
)
def test_a_wrong_request_is_one_line_and_exit_code_2(command, words, says):
    assert says in command(*words).is_one_line(2)


def test_a_wrong_request_under_json_is_one_object_too(command):
    answer = command("optimize", "nowhere.py", "--json")
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert answer.json["schema"] == "kernelwright.error/1"
    assert answer.json["error"]["kind"] == "request"
    assert "nowhere.py" in answer.json["error"]["message"]


def test_a_wrong_environment_names_the_variable(command, monkeypatch):
    monkeypatch.setenv("KERNELWRIGHT_SEED", "minus one")
    assert "KERNELWRIGHT_SEED" in command("optimize", "nowhere.py").is_one_line(2)


def break_a_command(monkeypatch, error):
    def run(arguments):
        raise error

    monkeypatch.setattr("kernelwright.commands.targets.run", run)


def test_what_nobody_foresaw_leaves_its_traceback_in_a_file(command, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    break_a_command(monkeypatch, ZeroDivisionError("by\nzero"))
    line = command("targets").is_one_line(3)
    log = Path(re.search(r"\S+\.log", line).group())
    assert "ZeroDivisionError: by" in log.read_text()
    assert "Traceback" in log.read_text()


@pytest.mark.parametrize(
    ("module", "name", "kind", "code"),
    [
        ("tools.errors", "RequestError", "request", 2),
        ("tools.errors", "JudgeUnavailable", "infrastructure", 3),
        ("sandbox.errors", "SandboxError", "infrastructure", 3),
        ("sandbox.errors", "SessionEnded", "infrastructure", 3),
        ("sandbox.errors", "TargetUnknown", "request", 2),
        ("memory.errors", "StoreError", "infrastructure", 3),
        ("agent.errors", "ModelUnavailable", "infrastructure", 3),
        ("agent.errors", "ModelRejected", "request", 2),
        ("agent.errors", "RunError", "infrastructure", 3),
    ],
)
def test_errors_of_the_rooms(command, monkeypatch, module, name, kind, code):
    error = getattr(__import__(module, fromlist=[name]), name)("it broke\nin two: mend it")
    break_a_command(monkeypatch, error)
    answer = command("targets", "--json")
    assert (answer.code, answer.json["error"]) == (code, {"kind": kind, "message": "it broke in two: mend it"})


def test_a_hint_is_part_of_the_line(command, monkeypatch):
    from sandbox.errors import SandboxUnavailable

    break_a_command(monkeypatch, SandboxUnavailable("no bwrap", hint="apt-get install bubblewrap"))
    assert command("targets").is_one_line(3).endswith("no bwrap: apt-get install bubblewrap")


def test_a_full_disk_is_infrastructure(command, monkeypatch):
    break_a_command(monkeypatch, OSError(28, "No space left on device", "/runs/x"))
    assert "/runs/x: No space left" in command("targets").is_one_line(3)


def test_an_interrupt_is_130(command, monkeypatch):
    break_a_command(monkeypatch, KeyboardInterrupt())
    command("targets").is_one_line(130)


def test_being_terminated_is_being_interrupted(command, monkeypatch):
    unwound = []

    def run(arguments):
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            unwound.append(True)

    monkeypatch.setattr("kernelwright.commands.targets.run", run)
    before = signal.getsignal(signal.SIGTERM)
    command("targets").is_one_line(130)
    assert unwound == [True]
    assert signal.getsignal(signal.SIGTERM) is before


def test_every_room_s_errors_are_explained(repository):
    """A base error that a room grows must find its place in ``explain``."""
    explained = Path(cli.__file__).read_text()
    for room in ("agent", "memory", "sandbox", "tools"):
        text = (repository / room / "errors.py").read_text()
        base = re.search(r"^class (\w+)\(Exception\)", text, re.MULTILINE).group(1)
        assert base in explained


@pytest.mark.parametrize("name", ["optimize", "evaluate", "eval"])
def test_every_option_is_a_setting(name):
    settings = {*AgentSettings.model_fields, "no_memory", "no_streaming", "no_stop_at_floor", "no_profiler"}
    # Of the corpus, which programs and how often; and like the problem, the files to start from.
    own = {*OWN} if name == "eval" else {"start", "detach"} if name == "optimize" else set()
    assert options_of(name) - own <= settings


def test_optimize_offers_every_setting():
    """Except the keys, which do not belong on a command line, and the home, which is the environment's."""
    offered = {option.removeprefix("no_") for option in options_of("optimize")}
    assert set(AgentSettings.model_fields) - offered == {"api_key", "host_keys", "home"}


def test_settings_are_documented(repository):
    text = (repository / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = "\n".join(line for line in text.splitlines() if line.startswith("| `"))
    for name, field in AgentSettings.model_fields.items():
        assert f"`{name}`" in rows, name
        row = next(line for line in rows.splitlines() if f"`{name}`" in line.split("|")[1])
        if isinstance(field.default, int | float) and not isinstance(field.default, bool) and field.default < 1e6:
            assert f"| {field.default:g} |" in row, (name, row)


def test_what_was_not_given_is_absent():
    arguments = vars(make_parser().parse_args(["optimize", "p.py", "--seed", "0", "--no-memory"]))
    assert arguments == {"command": "optimize", "problem": "p.py", "seed": "0", "no_memory": True}
    assert to_settings({"no_memory": True, "seed": "0"}) == {"memory": False, "seed": "0"}
    assert to_settings({"no_stop_at_floor": True}) == {"stop_at_floor": False}


def test_targets(command):
    rows = command("targets", "--json").json
    assert rows["schema"] == "kernelwright.targets/1"
    cpu = next(row for row in rows["targets"] if row["target"] == "cpu")
    assert {"language": "cpp", "status": "available", "evidence": "measured"} in cpu["languages"]
    text = command("targets").out
    assert all(row["target"] in text for row in rows["targets"])


def test_runs_of_an_empty_home(command):
    assert command("runs", "--json").json == {"schema": "kernelwright.runs/1", "runs": [], "plans": []}
    assert "no runs yet" in command("runs").out


def test_memory_round_trip(command, tmp_path, monkeypatch):
    one, two = make_experience(1), make_experience(2, problem="layer_norm")
    (tmp_path / "one.json").write_text(one.model_dump_json(indent=1))
    (tmp_path / "both.jsonl").write_text(f"{one.model_dump_json()}\n\n{two.model_dump_json()}\n")
    assert command("memory", "add", tmp_path / "one.json").out == "1 stored, 0 known already\n"
    answer = command("memory", "import", tmp_path / "both.jsonl", "--json")
    assert answer.json == {"schema": "kernelwright.memory/1", "stored": 1, "known": 1}
    hits = command("memory", "search", "layer", "--json").json["hits"]
    assert [hit["experience"]["problem"] for hit in hits] == ["layer_norm"]
    assert "layer_norm" in command("memory", "search", "layer").out
    assert command("memory", "search", "nonsense").out == "nothing found\n"
    command("memory", "export", tmp_path / "out.jsonl")
    exported = (tmp_path / "out.jsonl").read_text()
    assert exported == f"{one.model_dump_json()}\n{two.model_dump_json()}\n"
    assert command("memory", "export", "-").out == exported


def test_a_damaged_import_changes_nothing(command, tmp_path):
    (tmp_path / "bad.jsonl").write_text(make_experience(1).model_dump_json() + '\n{"id": 1}\n')
    line = command("memory", "import", tmp_path / "bad.jsonl").is_one_line(2)
    assert "bad.jsonl:2" in line
    assert command("memory", "search", "softmax", "--json").json["hits"] == []


def test_a_damaged_memory_is_infrastructure(command, tmp_path, monkeypatch):
    monkeypatch.setenv("KERNELWRIGHT_HOME", str(tmp_path))
    (tmp_path / "memory.db").write_bytes(b"no database " * 1000)
    assert "move it away" in command("memory", "search", "x").is_one_line(3)


def test_exit_codes_agree_with_the_engine():
    from agent.outcome import EXIT_CODES

    assert EXIT_CODES == {
        "improved": exit_codes.DONE,
        "no_improvement": exit_codes.NOT_BETTER,
        "failed": exit_codes.INFRASTRUCTURE,
        "interrupted": exit_codes.INTERRUPTED,
    }


def test_the_public_names_are_there():
    forms = {"evaluate", "optimize", "resume"}
    assert set(kernelwright.__all__) == {"__version__"} | forms | {f"{name}_async" for name in forms}
    for name in kernelwright.__all__:
        assert getattr(kernelwright, name)
    with pytest.raises(AttributeError, match="frob"):
        kernelwright.frob  # noqa: B018 - the access is the test
