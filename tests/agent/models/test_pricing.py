"""What tokens cost, and what is said where nobody knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.models.names import RemoteModel, parse_remote, split_models
from agent.models.opening import make_models
from agent.models.pricing import Price, PriceTable
from agent.settings import AgentSettings
from tools.errors import RequestError

OWN = '["m"]\ninput = 1.0\noutput = 4.0\ncached_input = 0.1\nas_of = "2026-01-31"\n'


def table(tmp_path: Path, text: str) -> PriceTable:
    file = tmp_path / "prices.toml"
    file.write_text(text)
    return PriceTable.load(file)


def test_cached_tokens_have_a_price_of_their_own():
    price = Price(2.0, 8.0, 0.5)
    assert price.cost_usd(1_000_000, 100_000, 400_000) == pytest.approx(0.6 * 2 + 0.4 * 0.5 + 0.8)
    assert Price(2.0, 8.0).cost_usd(1_000_000, 0, 400_000) == pytest.approx(2.0)
    assert price.cost_usd(10, 0, 10_000) == pytest.approx(10 * 0.5 / 1e6), "no more can be cached than was sent"


def test_every_packaged_price_has_a_day_and_a_server():
    packaged = PriceTable.load().entries
    assert len(packaged) >= 5
    assert all(entry.as_of and entry.host for entry, _ in packaged.values())


def test_a_packaged_price_holds_at_the_models_own_server_only():
    prices = PriceTable.load()
    assert prices.find(RemoteModel("gpt-4.1", None, False)) is not None
    elsewhere = parse_remote("openai:gpt-4.1@http://gateway.test/v1", None)
    assert elsewhere is not None
    assert prices.find(elsewhere) is None
    assert prices.find(RemoteModel("no-such-model", None, False)) is None


def test_the_users_file_is_above_the_table_and_is_named(tmp_path):
    found = table(tmp_path, OWN + '["gpt-4.1"]\ninput = 9\noutput = 9\n')
    assert found.find(RemoteModel("m", "http://127.0.0.1:1/v1", False)) == Price(
        1.0, 4.0, 0.1, "prices.toml, 2026-01-31"
    )
    changed = found.find(RemoteModel("gpt-4.1", "http://anywhere/v1", False))
    assert changed is not None
    assert changed.input == 9


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[", "not valid TOML"),
        ('["m"]\ninput = 1.0\n', r"wrong at m\.output"),
        ('["m"]\ninput = -1\noutput = 1\n', r"wrong at m\.input"),
        ('["m"]\ninput = nan\noutput = 1\n', r"wrong at m\.input"),
        ("m = 3\n", "wrong at m"),
        ('["m"]\ninput = 1\noutput = 1\noutptu = 1\n', r"wrong at m\.outptu"),
    ],
)
def test_a_file_that_is_wrong(tmp_path, text, fault):
    with pytest.raises(RequestError, match=fault) as caught:
        table(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(RequestError, match=r"cannot read the prices in .*none\.toml: No such file"):
        PriceTable.load(tmp_path / "none.toml")


def settings(**given) -> AgentSettings:
    return AgentSettings(**{"base_url": "http://127.0.0.1:1/v1", **given})


def test_a_cap_on_dollars_needs_every_price(tmp_path):
    with pytest.raises(RequestError, match=r"--max-cost needs prices, and that of openai:x, openai:y is unknown"):
        settings(model="openai:x,openai:y", max_cost=1.0).check()
    with pytest.raises(RequestError, match=r"openai:x is unknown: give --price-in"):
        settings(model="openai:x", max_cost=1.0, price_in=1.0).check()
    settings(model="openai:x", max_cost=1.0, price_in=1.0, price_out=2.0).check()
    settings(model="builtin", max_cost=1.0).check()
    (tmp_path / "p.toml").write_text(OWN)
    settings(model="openai:m", max_cost=1.0, prices=tmp_path / "p.toml").check()


def test_two_numbers_price_one_model():
    with pytest.raises(RequestError, match="for one model"):
        settings(model="openai:x,openai:y", price_in=1.0, price_out=2.0).check()
    settings(model="builtin,openai:y", price_in=1.0, price_out=2.0).check()


def test_a_cap_comes_with_a_longest_reply():
    assert make_models(settings(model="openai:x"))["openai:x"].metadata["max_reply_tokens"] is None
    assert make_models(settings(model="openai:x", max_tokens=9))["openai:x"].metadata["max_reply_tokens"] == 16_384
    chosen = settings(model="openai:x", max_tokens=9, max_reply_tokens=5)
    assert make_models(chosen)["openai:x"].metadata["max_reply_tokens"] == 5


def test_models_are_told_apart():
    assert split_models("builtin, openai:a,scripted:/tmp/a,b.json") == ("builtin", "openai:a", "scripted:/tmp/a,b.json")
    found = parse_remote("openai:org/name@v2@https://host.test:8443/v1", "http://other/v1")
    assert found == RemoteModel("org/name@v2", "https://host.test:8443/v1", True)
    assert found.host == "host.test:8443"
    assert parse_remote("openai:a", "http://127.0.0.1:1/v1") == RemoteModel("a", "http://127.0.0.1:1/v1", False)
    assert parse_remote("builtin", None) is None


def test_several_models_are_settings(tmp_path):
    assert AgentSettings.load({"model": ["builtin", "openai:a"]}, environ={}, folder=tmp_path).models == (
        "builtin",
        "openai:a",
    )
    with pytest.raises(RequestError, match="--model: unknown model 'gpt'"):
        AgentSettings.load({"model": ["builtin", "gpt"]}, environ={}, folder=tmp_path)
    environ = {"KERNELWRIGHT_MODEL": "openai:a , openai:b"}
    assert AgentSettings.load({}, environ=environ, folder=tmp_path).models == ("openai:a", "openai:b")
    (tmp_path / "kernelwright.toml").write_text('model = ["openai:c", "builtin"]')
    assert AgentSettings.load({}, environ={}, folder=tmp_path).models == ("openai:c", "builtin")
    with pytest.raises(RequestError, match="--model: openai:a is given twice"):
        AgentSettings.load({"model": ["openai:a", "openai:a"]}, environ={}, folder=tmp_path)


def test_a_key_goes_to_its_own_server_only(tmp_path):
    environ = {"OPENAI_API_KEY": "sk-run", "KERNELWRIGHT_API_KEY_API_DEEPSEEK_COM": "sk-deep"}
    there = "openai:x@https://api.deepseek.com"
    chosen = AgentSettings.load({"model": f"openai:a,{there}"}, environ=environ, folder=tmp_path)
    assert chosen.key_of("openai:a").get_secret_value() == "sk-run"
    assert chosen.key_of(there).get_secret_value() == "sk-deep"
    assert chosen.key_of("openai:x@https://elsewhere.test/v1") is None
    stored = chosen.model_dump(mode="json")
    assert "sk-" not in str(stored) + repr(chosen)
    assert AgentSettings.restore(stored, environ=environ).key_of(there).get_secret_value() == "sk-deep"
