"""What a receiver can rely on: signatures as Standard Webhooks says them, checked by its own library too."""

import base64
import json
from datetime import UTC, datetime

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from gnomon import webhooks
from gnomon.webhooks import VerificationError

SECRET = webhooks.secret_of(b"0123456789abcdef0123456789abcdef")
OTHER = webhooks.secret_of(b"x" * 24)
BODY = json.dumps(
    {"type": "alias.set", "timestamp": "2026-11-22T10:00:00Z", "data": {"metric": "metrics/tox"}}
).encode()
NOW = 1_800_000_000


def headers(secrets=(SECRET,), body=BODY, timestamp=NOW, message_id="msg-1"):
    return {
        "Webhook-Id": message_id,
        "Webhook-Timestamp": str(timestamp),
        "Webhook-Signature": webhooks.signatures(secrets, message_id, timestamp, body),
    }


def test_the_signature_is_the_one_of_the_specifications_own_vector():
    made = webhooks.signatures(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.binary(min_size=24, max_size=64), st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_the_reference_library_makes_the_same_signature(key, text):
    secret, then = webhooks.secret_of(key), datetime.fromtimestamp(NOW, UTC)
    reference = standardwebhooks.Webhook(secret).sign("msg-1", then, text)
    assert webhooks.signatures([secret], "msg-1", NOW, text.encode()) == reference


@pytest.mark.parametrize("body", [BODY, BODY.decode()])
def test_what_was_signed_with_the_secret_is_returned_as_an_event(body):
    event = webhooks.verify(body, headers(), SECRET, now_s=NOW)
    assert (event.id, event.type, event.data) == ("msg-1", "alias.set", {"metric": "metrics/tox"})
    assert event.time == datetime(2026, 11, 22, 10, tzinfo=UTC)


def test_either_side_may_have_two_secrets_while_one_is_replaced():
    for signed, known in [((SECRET, OTHER), SECRET), ((OTHER, SECRET), SECRET), ((OTHER,), [SECRET, OTHER])]:
        assert webhooks.verify(BODY, headers(signed), known, now_s=NOW).id == "msg-1"
    with pytest.raises(VerificationError, match="No signature is right"):
        webhooks.verify(BODY, headers((OTHER,)), SECRET, now_s=NOW)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_what_was_signed_more_than_five_minutes_from_now_is_refused(seconds):
    inside = seconds - (1 if seconds > 0 else -1)
    assert webhooks.verify(BODY, headers(timestamp=NOW + inside), SECRET, now_s=NOW)
    with pytest.raises(VerificationError, match="301 s"):
        webhooks.verify(BODY, headers(timestamp=NOW + seconds), SECRET, now_s=NOW)


@pytest.mark.parametrize("part", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature", "body"])
def test_every_part_of_a_request_is_signed(part):
    given, body = headers(), BODY
    if part == "body":
        body += b" "
    elif part == "Webhook-Timestamp":
        given[part] = str(NOW + 1)
    elif part == "Webhook-Id":
        given[part] = "msg-2"
    else:
        given[part] = given[part][:-3] + ("AA=" if not given[part].endswith("AA=") else "BB=")
    with pytest.raises(VerificationError, match="No signature is right"):
        webhooks.verify(body, given, SECRET, now_s=NOW)


@pytest.mark.parametrize("name", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
def test_a_header_that_is_missing_is_named(name):
    without = {key: value for key, value in headers().items() if key != name}
    with pytest.raises(VerificationError, match=name.lower()):
        webhooks.verify(BODY, without, SECRET, now_s=NOW)


@given(st.text(max_size=40), st.text(max_size=40), st.binary(max_size=60))
def test_nothing_else_passes_and_nothing_else_is_raised(timestamp, signature, body):
    given = {"webhook-id": "m", "webhook-timestamp": timestamp, "webhook-signature": signature}
    with pytest.raises(VerificationError):
        webhooks.verify(body, given, SECRET, now_s=NOW)


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b"no json", b'{"type":"a","timestamp":"now","data":{}}', b"\xff"]
)
def test_a_body_that_is_no_event_is_refused_although_it_is_signed(body):
    with pytest.raises(VerificationError, match="no event"):
        webhooks.verify(body, headers(body=body), SECRET, now_s=NOW)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_short",
        "whsec_" + base64.b64encode(b"x" * 23).decode(),
        "x" * 40,
        "whsec_ä" + "A" * 40,
    ],
)
def test_what_is_no_secret_is_refused_without_being_repeated(secret):
    with pytest.raises(ValueError, match="24 to 64 bytes") as caught:
        webhooks.verify(BODY, headers(), secret, now_s=NOW)
    assert len(secret) < 7 or secret not in str(caught.value)
