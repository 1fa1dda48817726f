"""Which model is made from which settings, and how a provider's failures are told."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import httpx2
import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai.chat_models import base as provider
from pydantic import SecretStr

from agent.calling import call_model
from agent.equipping import Equipped
from agent.errors import AgentError, ModelError, ModelRejected, ModelUnavailable
from agent.failures import is_worth_retrying, retry_after_s, translate
from agent.model import ModelSettings, make_model
from agent.scripted import ScriptedChatModel, ScriptedProposal, ScriptedReply, load_script, replay
from tools.errors import RequestError

KEY = "sk-secret-0123456789"
REQUEST = httpx2.Request("POST", "http://127.0.0.1:1/v1/chat/completions")


def remote(**settings):
    chosen = {"name": "openai:m", "base_url": "http://user:word@127.0.0.1:1/v1", "api_key": KEY, **settings}
    return make_model(ModelSettings(**chosen))


@pytest.mark.parametrize("name", ["", "gpt", "openai:", "openai", "scripted:", "builtin:x", "ollama:x"])
def test_an_unknown_model_lists_the_forms(name):
    with pytest.raises(RequestError, match="give builtin, openai:NAME or scripted:FILE"):
        make_model(ModelSettings(name=name))


@pytest.mark.parametrize("key", [None, SecretStr(""), SecretStr("  ")])
def test_openai_without_a_key_or_a_server_says_what_to_set(key):
    with pytest.raises(RequestError, match="set OPENAI_API_KEY, or pass --base-url"):
        make_model(ModelSettings(name="openai:m", api_key=key))


def test_a_base_url_that_is_none():
    with pytest.raises(RequestError, match="--base-url localhost:8000 is no URL"):
        remote(base_url="localhost:8000")


def test_another_servers_key_is_not_sent_to_ones_own(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    assert remote(api_key=None).openai_api_key.get_secret_value() == "none"


def test_what_is_fixed_is_handed_on():
    model = remote(temperature=0.5, streaming=False, max_retries=3, timeout_s=7)
    assert (model.model_name, model.temperature, model.streaming, model.stream_usage) == ("m", 0.5, False, True)
    assert model.metadata["max_retries"] == 3
    assert model.request_timeout == (7, 7, 7, 7)
    assert remote().temperature is None


def test_settings_never_show_the_key():
    assert KEY not in repr(ModelSettings(api_key=KEY))
    assert KEY not in ModelSettings(api_key=KEY).model_dump_json()


def test_the_openai_client_is_imported_only_for_openai():
    code = (
        "import sys, agent.proposing, agent.scripted\n"
        "from agent.model import ModelSettings, make_model\n"
        "assert 'langchain_openai' not in sys.modules and 'openai' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def provider_errors():
    """Every exception class of the client and of its LangChain wrapper, each made as they make it."""
    classes = {
        item
        for module in (openai, provider)
        for item in list(vars(module).values())
        if inspect.isclass(item) and issubclass(item, Exception) and issubclass(item, openai.OpenAIError)
    }
    for kind in sorted(classes, key=lambda item: item.__name__):
        if issubclass(kind, openai.APIStatusError):
            status = {
                openai.BadRequestError: 400,
                openai.AuthenticationError: 401,
                openai.PermissionDeniedError: 403,
                openai.NotFoundError: 404,
                openai.ConflictError: 409,
                openai.UnprocessableEntityError: 422,
                openai.RateLimitError: 429,
            }
            code = next((number for base, number in status.items() if issubclass(kind, base)), 500)
            response = httpx2.Response(code, request=REQUEST)
            if kind.__name__ == "OAuthError":
                yield kind(response=response, body={"error": "no"})
            else:
                yield kind("no", response=response, body=None)
        elif issubclass(kind, openai.APITimeoutError):
            yield kind(REQUEST)
        elif issubclass(kind, openai.APIConnectionError):
            yield kind(message="no", request=REQUEST)
        elif issubclass(kind, openai.APIResponseValidationError):
            yield kind(response=httpx2.Response(200, request=REQUEST), body=None)
        elif issubclass(kind, openai.APIError):
            yield kind("no", REQUEST, body=None)
        else:
            yield kind.__new__(kind)


FOREIGN = [
    *provider_errors(),
    *(httpx2.ReadTimeout("x"), httpx2.RemoteProtocolError("x"), httpx2.ReadError("x"), httpx2.ConnectError("x")),
    *(TimeoutError("x"), ConnectionResetError("x"), TypeError("null choices"), KeyError("choices"), ValueError("x")),
    json.JSONDecodeError("x", "y", 0),
]


@pytest.mark.parametrize("error", FOREIGN, ids=lambda error: type(error).__name__)
def test_every_failure_of_the_client_is_translated(error):
    assert len(FOREIGN) > 25
    ours = translate(error, remote())
    assert isinstance(ours, ModelUnavailable | ModelRejected)
    text = str(ours)
    assert "\n" not in text
    assert text.startswith("the model server at http://127.0.0.1:1/v1")
    assert "word" not in text
    if is_worth_retrying(error):
        assert isinstance(ours, ModelUnavailable)


def test_our_own_errors_pass_and_defects_of_local_models_surface():
    ours = ModelRejected("x")
    assert translate(ours, remote()) is ours
    local = ScriptedChatModel(script=lambda messages: AIMessage("x"))
    assert translate(ZeroDivisionError("a defect"), local) is None

    def broken(messages):
        raise ZeroDivisionError("a defect")

    with pytest.raises(ZeroDivisionError):
        call_model(Equipped(ScriptedChatModel(script=broken)), [HumanMessage("x")], 1, lambda kind, **data: None)
    assert issubclass(ModelError, AgentError)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None), ({"retry-after": "2"}, 2.0), ({"Retry-After-Ms": "250"}, 0.25), ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None), ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
    ],
)  # fmt: skip
def test_how_long_to_wait(headers, wait):
    response = httpx2.Response(429, request=REQUEST, headers=headers)
    assert retry_after_s(openai.RateLimitError("x", response=response, body=None)) == wait


def test_long_messages_of_a_server_are_one_short_line():
    response = httpx2.Response(500, request=REQUEST)
    error = openai.InternalServerError("<html>\n" + "x" * 5000, response=response, body=None)
    assert len(str(translate(error, remote()))) < 600


# The scripted model


def conversation(round_=1, slot=0, said=0):
    task = HumanMessage(f"## Task\nround={round_} slot={slot} slots=2 seed=0 target=cpu language=cpp")
    return [task, *(AIMessage(str(number)) for number in range(said))]


def test_a_script_is_a_function_of_the_conversation(tmp_path):
    file = tmp_path / "script.json"
    first = {"slot": 1, "replies": [{"content": "slot one"}]}
    second = {"round": 2, "replies": [{"content": "round two"}, {"content": "then"}]}
    file.write_text(json.dumps({"proposals": [first, second, {"replies": [{"content": "any"}]}]}))
    model = make_model(ModelSettings(name=f"scripted:{file}", streaming=False))
    assert model.invoke(conversation(1, 1)).text == "slot one"
    assert model.invoke(conversation(2, 0, said=1)).text == "then"
    assert model.invoke(conversation(2, 0)).text == "round two"
    assert model.invoke(conversation(1, 0)).text == "any"
    assert len(model.calls) == 4
    with pytest.raises(ModelRejected, match="ends after 1 replies"):
        model.invoke(conversation(1, 0, said=1))


def test_a_script_without_a_fitting_proposal():
    script = replay([ScriptedProposal(round=7, replies=(ScriptedReply(content="x"),))])
    with pytest.raises(ModelRejected, match="no proposal for round 1, slot 0"):
        script(conversation())


@pytest.mark.parametrize(
    "text",
    ["", "{", "3", '[{"contents": "x"}]', '{"proposals": [{"replies": [{"tool_calls": [{"args": {}}]}]}]}'],
)
def test_a_script_file_that_is_wrong(tmp_path, text):
    file = tmp_path / "script.json"
    file.write_text(text)
    with pytest.raises(RequestError, match=r"the script .*script.json is wrong at") as caught:
        load_script(file)
    assert "\n" not in str(caught.value)
    with pytest.raises(RequestError, match=r"cannot read the script .*: No such file"):
        load_script(tmp_path / "none.json")


def test_a_scripted_stream_says_the_same_as_the_whole():
    calls = ({"name": "write_candidate", "args": {"source": "x" * 200}}, {"name": "submit", "args": {}})
    reply = ScriptedReply.model_validate({"content": "word " * 30, "tool_calls": calls})
    told = []
    for streaming in (False, True):
        model = ScriptedChatModel(script=replay([ScriptedProposal(replies=(reply,))]), streaming=streaming)
        answer = call_model(Equipped(model), conversation(), 1, lambda kind, **data: None)
        told.append((answer.message, answer.tokens_in, answer.tokens_out, answer.finish, answer.approximate))
    assert told[0] == told[1]
    assert told[0][3:] == ("tool_calls", False)
