"""What memory saves: an operator met again, and the same operator at another shape, with and without memory.

python examples/05_memory_pays.py
"""

import tempfile
from pathlib import Path

import kernelwright

PROBLEM = Path(__file__).parent / "problems" / "rms_norm.py"
SHAPES = ("2048, 2048", "3000, 1024"), ("2048, 1e-6", "1024, 1e-6")
"""The problem's sizes, and those of the other shape."""
CANDIDATES = 6


def run(title: str, problem: Path, home: Path, max_candidates: int) -> None:
    """Optimize in ``home``, where memory lives too, and print one line of a table."""
    outcome = kernelwright.optimize(problem, home=home, max_candidates=max_candidates, max_seconds=600)
    best = outcome.best
    speed = f"{best['speedup']:.2f}x [{best['speedup_ci95'][0]:.2f}, {best['speedup_ci95'][1]:.2f}]" if best else "none"
    print(f"{title:32} {outcome.recalled:8d} {outcome.candidates:6d} {outcome.candidates_to_best or '-':>7}  {speed}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        used, fresh = Path(folder) / "used", Path(folder) / "fresh"
        other = Path(folder) / "rms_norm_other_shape.py"
        text = PROBLEM.read_text(encoding="utf-8")
        for here, there in SHAPES:
            text = text.replace(here, there)
        other.write_text(text, encoding="utf-8")
        print(f"{'run':32} recalled judged to best  best, confirmed")
        run("first", PROBLEM, used, CANDIDATES)
        run("again, a third of the budget", PROBLEM, used, CANDIDATES // 3)
        run("other shape, a third", other, used, CANDIDATES // 3)
        run("other shape, a third, no memory", other, fresh, CANDIDATES // 3)


if __name__ == "__main__":
    main()
