"""Judge two candidates for one operator: one is right, one is fast because it is wrong.

    python examples/01_evaluate_a_kernel.py

The same from a shell: kernelwright evaluate examples/problems/rms_norm.py CANDIDATE --language python
"""

from pathlib import Path

import kernelwright

HERE = Path(__file__).parent


def main() -> None:
    problem = HERE / "problems" / "rms_norm.py"
    for name in ("rms_norm_library", "rms_norm_without_gate"):
        verdict = kernelwright.evaluate(problem, HERE / "candidates" / f"{name}.py", language="python", blocks=6)
        print(f"{name}: {verdict.status} ({verdict.isolation})")
        if verdict.status == "accepted":
            low, high = verdict.speedup_ci95
            print(f"  {verdict.speedup:.2f}x the best baseline, 95 % interval [{low:.2f}, {high:.2f}]")
            print(
                f"  error {verdict.error.worst:.1e} of the output's scale; eager itself {verdict.eager_error.worst:.1e}"
            )
        else:
            print(f"  {verdict.reason}: {verdict.detail}")


if __name__ == "__main__":
    main()
