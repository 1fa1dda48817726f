"""Make an operator faster with the builtin model: no key, no network.

    python examples/02_optimize_with_builtin.py

The same from a shell: kernelwright optimize examples/problems/rms_norm.py --max-candidates 4
"""

import tempfile
from pathlib import Path

import kernelwright


def tell(event) -> None:
    """Every step of a run is an event; here, only the judgements are shown."""
    if event.type == "judged":
        verdict = event.data["verdict"]
        speedup = f"{verdict['speedup']:.2f}x" if verdict["speedup"] else verdict["reason"]
        print(f"  {event.elapsed_s:5.1f} s  {verdict['status']}, {speedup}: {event.data['strategy']}")


def main() -> None:
    problem = Path(__file__).parent / "problems" / "rms_norm.py"
    with tempfile.TemporaryDirectory() as home:
        outcome = kernelwright.optimize(problem, home=home, max_candidates=4, max_seconds=600, subscribers=[tell])
        print(f"{outcome.status}: {outcome.candidates} candidates, {outcome.accepted} accepted")
        if outcome.best is not None:
            print(f"{outcome.best['speedup']:.2f}x, confirmed; the kernel has")
            print(f"{len(Path(outcome.best['path']).read_text().splitlines())} lines and needs only torch and g++")


if __name__ == "__main__":
    main()
