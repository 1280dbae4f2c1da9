"""What is found in texts, and what is not."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.traffic.redaction import EVERYTHING, Redactor


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("mail a.b+c@x-y.co.uk, please", "mail [EMAIL], please"),
        ("<ann@example.org>", "<[EMAIL]>"),
        ("mailto:ann@example.org.", "mailto:[EMAIL]."),
        ("4111 1111 1111 1111", "[CARD]"),
        ("card=5555-5555-5555-4444;", "card=[CARD];"),
        ("amex 378282246310005", "amex [CARD]"),
        ("+49 30 1234567", "[PHONE]"),
        ("+1 (212) 555-0123", "[PHONE]"),
        ("(212) 555-0123 or 212-555-0123", "[PHONE] or [PHONE]"),
        ("tel:+442079460958", "tel:[PHONE]"),
        ("0049 30 1234567", "[PHONE]"),
        ("07700 900123", "[PHONE]"),
        ("sk-proj-abcdefghijklmnop1234", "[SECRET]"),
        ("AKIAIOSFODNN7EXAMPLE", "[SECRET]"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[SECRET]"),
        ("Authorization: Bearer abcdef0123456789abcdef", "Authorization: Bearer [SECRET]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-_1", "[SECRET]"),
        ("postgres://bob:hunter2@db/x", "postgres://[SECRET]@db/x"),
        ('{"api_key": "abcd1234efgh"}', '{"api_key": "[SECRET]"}'),
        ("password=Tr0ub4dor&3", "password=[SECRET]"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----", "[SECRET]"),
    ],
)  # fmt: skip
def test_what_is_personal_or_secret_is_replaced(text: str, redacted: str) -> None:
    redactor = Redactor()

    assert redactor.text(text) == redacted
    assert redactor.text(redacted) == redacted  # markers stay what they are
    assert redactor.counts.total() == redacted.count("[")


@pytest.mark.parametrize(
    "text",
    [
        "Order 12345678 of 2026-01-02 03:04:05 is 19.99, v1.2.3, at 192.168.100.200",
        "4111 1111 1111 1112",  # the check digit is wrong
        "1783938600000000000 ns, 4000000 tokens, 2023-2024, 10 000 000",
        "5e0a11d2-4b1c-4c1c-9f6f-0a6c8a0a9a11",
        "2026-07-13T10:30:00.123456+00:00",
        "see @ann, ask-me_later, the key is under the mat, tokens: 52, https://example.org/a:b@c",
        "token usage is high, the password is wrong",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert Redactor().text(text) == text


emails = st.builds(
    "{}@{}.{}".format,
    st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12),
    st.text(string.ascii_lowercase, min_size=1, max_size=10),
    st.sampled_from(["org", "com", "co.uk", "de"]),
)
around = st.text(string.ascii_letters + " .,;:!?()", max_size=20)


def with_check_digit(digits: str) -> str:
    total = sum(sum(divmod(2 * int(d), 10)) if n % 2 == 0 else int(d) for n, d in enumerate(reversed(digits)))
    return digits + str(-total % 10)


cards = st.builds(
    lambda first, rest: with_check_digit(first + rest),
    st.sampled_from("23456"),
    st.text(string.digits, min_size=14, max_size=14),
)


@given(before=around, email=emails, after=around)
def test_no_address_comes_through(before: str, email: str, after: str) -> None:
    redacted = Redactor().text(f"{before} {email} {after}")

    assert email not in redacted
    assert "[EMAIL]" in redacted


@given(before=around, card=cards, separator=st.sampled_from(["", " ", "-"]), after=around)
def test_no_card_with_a_right_check_digit_comes_through(
    before: str, card: str, separator: str, after: str
) -> None:
    written = separator.join(card[n : n + 4] for n in range(0, 16, 4))
    redactor = Redactor(["card"])

    assert written not in redactor.text(f"{before} {written} {after}")
    assert redactor.counts == {"card": 1}


@given(text=st.text(max_size=200))
def test_redaction_is_stable_and_counts_what_it_replaces(text: str) -> None:
    redactor = Redactor()
    once = redactor.text(text)

    assert Redactor().text(once) == once
    assert (once == text.replace("\0", "")) == (redactor.counts.total() == 0)
    assert Redactor([]).text(text) == text.replace("\0", "")


@given(said=st.text(max_size=40), email=emails)
def test_json_stays_json(said: str, email: str) -> None:
    text = json.dumps({"said": f"{said} {email}", "n": 1})

    assert json.loads(Redactor().text(text))["n"] == 1


@pytest.mark.parametrize("kind", EVERYTHING)
def test_each_kind_can_be_left_as_it_is(kind: str) -> None:
    text = "ann@example.org +49 30 1234567 4111111111111111 sk-abcdefghijklmnop1234"
    others = [other for other in EVERYTHING if other != kind]

    assert f"[{kind.upper()}]" not in Redactor(others).text(text)
    assert all(f"[{other.upper()}]" in Redactor(others).text(text) for other in others if kind != "card")
