"""What is mounted into a sandbox: standard library and torch only, nothing else of ours is importable there."""
