"""Webhooks as a user has them: a registry of `gnomon up`, the command line, both clients, a receiver."""

import asyncio
import contextlib
import json

import pytest

import gnomon
from gnomon import local
from gnomon.cli.main import main
from gnomon.errors import InvalidRequestError, WebhookUndeliveredError
from tests.registry.hooking import hooked
from tests.registry.receiver import receiving
from tests.sdk.serving import collected, connected


@contextlib.asynccontextmanager
async def registry_process(home, receiver, **settings):
    """Run the registry as `gnomon up` does, but for the receiver that it may call."""
    process = local.deployment(home)["registry"]
    wanted = {"ALLOWED_HOSTS": receiver.host, "POLL_S": "0.05", "LOG_LEVEL": "debug", **settings}
    environment = {f"GNOMON_REGISTRY_{key}": value for key, value in wanted.items()}
    process.environment = dict(process.environment) | environment
    await asyncio.to_thread(process.start)
    try:
        yield process
    finally:
        await asyncio.to_thread(process.stop)


@pytest.mark.slow
async def test_the_command_line_makes_tries_follows_and_changes_a_webhook(tmp_path, monkeypatch, capsys):
    async def run(*words, status=0):
        assert await asyncio.to_thread(main, list(words)) == status
        captured = capsys.readouterr()
        return captured.out + captured.err

    async def run_json(*words):
        return json.loads(await run(*words, "--json"))

    async with receiving() as receiver, registry_process(tmp_path / "home", receiver) as process:
        monkeypatch.setenv("GNOMON_REGISTRY_ADDRESS", process.address)
        events = ("--event", "alias.set", "--event", "version.created")
        out = await run("webhooks", "create", "ci", "--url", receiver.url, "--metric", "tox", *events)
        (secret,) = [word for word in out.split() if word.startswith("whsec_")]
        assert "answered 204" in await run("webhooks", "test", "ci")
        assert receiver.requests[0].event(secret).type == "webhook.test"
        assert secret not in await run("webhooks", "show", "ci") + await run("webhooks", "list")

        receiver.next = ["500 Oops"]
        second = (await run_json("webhooks", "rotate", "ci", "--overlap-hours", "1"))["secret"]
        assert "answered 500" in await run("webhooks", "test", "ci", status=1)
        assert gnomon.webhooks.verify(receiver.requests[1].body, receiver.requests[1].headers, second)

        assert "paused" in await run("webhooks", "update", "ci", "--pause", "--all-metrics")
        assert "active" in await run("webhooks", "update", "ci", "--resume")
        shown = await run_json("webhooks", "show", "ci")
        assert (shown["metrics"], shown["event_kinds"]) == ([], ["VERSION_CREATED", "ALIAS_SET"])
        moved = await run("webhooks", "update", "ci", "--url", "https://other.example/")
        assert "gnomon webhooks rotate" in moved
        assert "nothing in the history" in await run("webhooks", "deliveries", "ci")
        await run("webhooks", "delete", "ci")
        assert await run_json("webhooks", "list") == []

    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert process.log_path in files
    for made in (secret, second):
        key = made.removeprefix("whsec_").encode()
        assert not [path for path in files if key in path.read_bytes()]


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_both_clients_follow_a_change_to_its_receiver(kind, tmp_path):
    async with contextlib.AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(receiving(next=["500 Oops"]))
        caller = await stack.enter_async_context(hooked(tmp_path, receiver))
        client = await stack.enter_async_context(connected(kind, caller.app.address))
        wanted = {"events": ["version.created"], "metrics": ["tox"]}
        made = await client.webhooks.create("ci", url=receiver.url, **wanted)
        await caller.version()
        await receiver.took(2)
        async with asyncio.timeout(20):
            while not (done := await collected(client.webhooks.deliveries("ci", state="delivered"))):
                await asyncio.sleep(0.05)
        again = await client.webhooks.redeliver(done[0].name)
        await receiver.took(3)
        assert [webhook.name for webhook in await collected(client.webhooks.list())] == [made.name]
        receiver.answer = "403 No"
        with pytest.raises(WebhookUndeliveredError, match="answered 403"):
            await client.webhooks.test("webhooks/ci")
        with pytest.raises(InvalidRequestError, match=r"alias\.set"):
            await client.webhooks.create("other", url=receiver.url, events=["alias.moved"])
        rotated = await client.webhooks.rotate_secret("ci", overlap_s=0)
        made.display_name = "To CI"
        made.etag = rotated.etag
        changed = await client.webhooks.update(made, fields=["display_name"])
        await client.webhooks.delete("ci")
    assert again.name == done[0].name
    assert len({request.id for request in receiver.requests[:3]}) == 1
    assert receiver.requests[0].event(made.secret).data["version"] == "metrics/tox/versions/1"
    assert rotated.secret != made.secret
    assert changed.display_name == "To CI"
