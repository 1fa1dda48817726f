"""What is hidden, and what is left as it is: a program must stay the program that was judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.trajectories.cleaning import Cleaner

# Made up, and in pieces: a scanner of repositories must not take them for real ones.
LEAKS = [
    "sk-" + "proj_a1b2c3d4e5f6g7h8i9",
    "hf_" + "abcdefghijklmnopqrstuvwx",
    "ghp_" + "abcdefghijklmnopqrstuvwxyz012345",
    "AKIA" + "ABCDEFGHIJKLMNOP",
    "AIza" + "SyA1234567890abcdefghijklmnopqrst",
    "eyJhbGciOiJI." + "eyJzdWIiOiIx." + "c2lnbmF0dXJl",
    "Authorization: Bearer " + "abcdef0123456789",
    "OPENAI_API_KEY=" + "abcdef012345",
    'api_key = "' + 'abcdef012345"',
    "'password': '" + "correct-horse'",
    "https://ann:" + "s3cretword@example.org/v1",
    "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEabc\n-----END RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("text", LEAKS)
def test_keys_are_hidden(text: str) -> None:
    cleaned = Cleaner().text(f"before {text} after")
    assert "[hidden]" in cleaned
    assert cleaned.startswith("before ")
    assert cleaned.endswith(" after")
    telling = text.split("=", 1)[-1].split("Bearer ", 1)[-1].split("ann:", 1)[-1].split("@", maxsplit=1)[0]
    assert telling.strip("\"' =") not in cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("/home/ann/env/lib/torch/include/ATen.h:12: error", "[path]/ATen.h:12: error"),
        ("g++ -I/opt/libs/include -L/opt/libs/lib", "g++ -I[path]/include -L[path]/lib"),
        ('File "/Users/ann/x/kernel.py", line 3', 'File "[path]/kernel.py", line 3'),
        ("file:///scratch/ann/a.cpp", "file://[path]/a.cpp"),
        ("PATH=/usr/bin:/home/ann/bin", "PATH=/usr/bin:[path]/bin"),
        (r"C:\Users\ann\kernel.cpp(3)", "[path]/kernel.cpp(3)"),
        ("in /somewhere/odd/runs/7/built/a.so now", "in [path]/a.so now"),
        ("in /somewhere/odd", "in [path]"),
    ],
)
def test_places_are_hidden_and_names_of_files_kept(text: str, cleaned: str) -> None:
    assert Cleaner(places=[Path("/somewhere/odd")]).text(text) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "y = (a + b) / c  # mean of /usr/include kinds",
        "#include <torch/extension.h> // see //home pages",
        "max_tokens = tokens_per_block_128; token = next_token",
        "https://example.org/home/run/tmp/page",
        "rate = total/tmp/run",
        "/usr/include/c++/13/bits/stl_vector.h:1128",
        "secret = seeds[0]",
        "float key = sk[i - 1];",
    ],
)
def test_programs_and_messages_stay_as_they_are(text: str) -> None:
    assert Cleaner().text(text) == text


def test_given_secrets_are_hidden_wherever_they_stand() -> None:
    cleaner = Cleaner(secrets=["opensesame", "", "abc"])
    value = {"a": ["opensesame!", 1, None], "opensesame": {"b": "abc xopensesamex"}}
    assert cleaner.clean(value) == {"a": ["[hidden]!", 1, None], "[hidden]": {"b": "abc x[hidden]x"}}
