"""``kernelwright chat [PROBLEM]``: a conversation from what a person pastes to the kernel they leave with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kernelwright import exit_codes
from kernelwright.output import table, write
from kernelwright.wording import speedup
from tools.errors import RequestError


def run(arguments: dict[str, Any]) -> int:
    """Talk; 0 improved, 1 not, 130 closed before the end with the state kept."""
    problem, resumed = arguments.pop("problem", None), arguments.pop("resume", None)
    if arguments.pop("list", False):
        return _list()
    if resumed is not None and (problem is not None or arguments):
        raise RequestError("--resume takes a chat up with the settings it began with: give no others")
    return _talk(problem, resumed, arguments)


def _talk(problem: str | None, resumed: str | None, given: dict[str, Any]) -> int:
    from agent.chat.folder import create_chat, find_chat
    from agent.chat.session import open_chat
    from agent.chat.wording import to_settings
    from agent.models.opening import make_models
    from agent.settings import AgentSettings
    from kernelwright import chat_searches
    from kernelwright.chat_lines import Lines
    from kernelwright.chat_terminal import Shower, Terminal, console

    settings = AgentSettings.load(to_settings(given))
    if resumed is None:
        settings.check()
        make_models(settings)  # a model that cannot be asked is told of before anybody has said anything
        said, name = _given(problem)
    folder = create_chat(settings.home, given) if resumed is None else find_chat(settings.home, resumed)
    screen, searches = console(), chat_searches.ChildSearches(chat_searches.PROGRAM)
    show = Shower(screen)
    with open_chat(folder, show, searches) as chat:
        terminal = Terminal(chat, searches, Lines(), screen)
        if resumed is None:
            show(f"chat {folder.chat_id}; help lists what I understand")
            question = chat.begin(said, name)
        else:
            show(f"chat {folder.chat_id}, where it stood")
            question = chat.begin()
        try:
            return terminal.run(question)
        except KeyboardInterrupt:
            show(f"\nclosed: kernelwright chat --resume {folder.chat_id}")
            return exit_codes.INTERRUPTED


def _given(problem: str | None) -> tuple[str, str]:
    """The text of a problem file that was named, and its name. Raises RequestError."""
    if problem is None:
        return "", ""
    from agent.chat.preparing import load_code

    path = Path(problem).expanduser()
    return load_code(path), path.stem


def _list() -> int:
    from agent.chat.folder import list_chats
    from agent.settings import AgentSettings

    found = list_chats(AgentSettings.load().home)
    if not found:
        write("no chats yet: kernelwright chat begins one")
        return exit_codes.DONE
    rows = [
        (
            str(item["chat_id"]),
            str(item["started_at"])[:19].replace("T", " "),
            str(item["problem"] or "-"),
            str(item["status"] or "no search yet"),
            speedup(item["speedup"]),
        )
        for item in found
    ]
    write(table(rows, header=("chat", "started (UTC)", "problem", "last search", "speed-up")))
    return exit_codes.DONE
