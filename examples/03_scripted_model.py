"""Play a language model's part from a script: its tool calls are fixed, everything else is real.

    python examples/03_scripted_model.py

The first proposal is wrong, and its author finds out with test_candidate and mends it before submitting.
"""

import json
import tempfile
from pathlib import Path

import kernelwright

HERE = Path(__file__).parent


def script() -> list[dict]:
    """Six replies: write, compile, test (it fails), mend, test again, submit."""
    wrong = (HERE / "candidates" / "rms_norm_without_gate.py").read_text()
    mend = {
        "search": "self.weight, self.eps)",
        "replace": "self.weight, self.eps).mul_(torch.sigmoid(gate))",
    }
    calls = [
        ("write_candidate", {"source": wrong}),
        ("compile_candidate", {}),
        ("test_candidate", {}),
        ("edit_candidate", mend),
        ("compile_candidate", {}),
        ("test_candidate", {}),
        ("submit", {"strategy": "the library's fused normalisation, gated in place"}),
    ]
    return [{"tool_calls": [{"name": name, "args": arguments}]} for name, arguments in calls]


def tell(event) -> None:
    if event.type == "tool_call":
        print(f"  tool: {event.data.get('name')} -> {'ok' if event.data.get('ok') else 'refused'}")


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        replies = Path(home) / "replies.json"
        replies.write_text(json.dumps(script()))
        outcome = kernelwright.optimize(
            HERE / "problems" / "rms_norm.py",
            model=f"scripted:{replies}",
            language="python",
            slots=1,
            max_candidates=1,
            max_seconds=600,
            home=home,
            subscribers=[tell],
        )
        print(f"{outcome.status}: {outcome.accepted} of {outcome.candidates} accepted; {outcome.message}")


if __name__ == "__main__":
    main()
