"""What is found in texts, and what is not."""

import json
import string
import time

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
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQ-4\n-----END PGP PRIVATE KEY BLOCK-----.", "[SECRET]."),
        ("-----BEGIN RSA PRIVATE KEY-----\n" + "MIIE\n" * 5_000, "[SECRET]"),
        ("sk-lf-1234abcd-12ab-12ab-12ab-123456abcdef", "[SECRET]"),
        ("sk-Ab1d_fghi-klmnopq-stuv", "[SECRET]"),
        ("sk-1234abcd-12ab-12ab-12ab-123456abcdef", "[SECRET]"),
        ("session_eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc", "session_[SECRET]"),
        ("postgres://bob:hun#ter?2@db/x", "postgres://[SECRET]@db/x"),
        ("gsk_abcdefghijklmnopqrstuvwxyz0123", "[SECRET]"),
        ("whsec_abcdefghijklmnopqrstuv12", "[SECRET]"),
        ("SG.abcdefghijklmnopqrstuv.abcdefghijklmnopqrstuvwxyz0123456789abcdefg", "[SECRET]"),
        ("ya29.a0AfH6SMBabcdefghijklmnop", "[SECRET]"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZDEyMw==", "Authorization: Basic [SECRET]"),
        ("AUTHORIZATION: BEARER abcdef0123456789abcdef", "AUTHORIZATION: BEARER [SECRET]"),
        ("redis://:secretpass1@host:6379", "redis://[SECRET]@host:6379"),
        ("postgres://u:p@ss@host/db", "postgres://[SECRET]@host/db"),
        ("Api key: abcd1234efgh5678", "Api key: [SECRET]"),
        ("4111\xa01111\xa01111\xa01111", "[CARD]"),
        ("Visa-4111 1111 1111 1111", "Visa-[CARD]"),
        ("+49\xa030\xa01234567", "[PHONE]"),
        ("06 12 34 56 78", "[PHONE]"),
        ("?to=ann%40example.org&n=1", "?to=[EMAIL]&n=1"),
        (r"Hi\nann@example.org\tAKIAIOSFODNN7EXAMPLE\n+49 30 1234567", r"Hi\n[EMAIL]\t[SECRET]\n[PHONE]"),
        (r"Key:\nsk-abcdefghijklmnop1234\r\n4111 1111 1111 1111", r"Key:\n[SECRET]\r\n[CARD]"),
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
        "sk-learn-based-classifier-v2, git clone git@github.com:org/repo.git, order 0012345678",
        "http://localhost:8080?to=@ann http://localhost:8080#@ann",
        "05 10 15 20 25 30 35, Basic JavaScript",
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


pieces = st.sampled_from(
    [
        "ann@example.org", "sk-proj-abcdefghijklmnop1234", "AKIAIOSFODNN7EXAMPLE", "4111 1111 1111 1111",
        "+49 30 1234567", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc", "postgres://bob:hunter2@db/x",
        "http://localhost:8080", "password=Tr0ub4dor&3",
        "\n", "\t", '"', "\\", " ", "ü", "\u2028", ",", ":", "{",
    ]
)  # fmt: skip
said = st.lists(pieces | st.text(max_size=5), max_size=8).map("".join)


@given(before=said, after=said, is_ascii=st.booleans())
def test_json_is_redacted_as_the_strings_in_it_are_and_stays_json(
    before: str, after: str, is_ascii: bool
) -> None:
    value = {"said": before, "n": [1, {"more": [after, None]}], f"key {before}": 2.50}
    written = json.dumps(value, ensure_ascii=is_ascii)
    text = Redactor().text

    expected = {"said": text(before), "n": [1, {"more": [text(after), None]}], text(f"key {before}"): 2.5}
    assert json.loads(text(f" {written}\n")) == expected
    assert json.loads(json.loads(text(json.dumps([written])))[0]) == expected


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ('{"url":"http://localhost:8080","to":"bob@x.com"}', '{"url":"http://localhost:8080","to":"[EMAIL]"}'),
        ('{"to": "bob@x.com", "to": "bob", "n": 123456789012345678901234567890}',
         '{"to": "[EMAIL]", "to": "bob", "n": 123456789012345678901234567890}'),
        ('{"card": 4111111111111111, "at": 1783938600000}', '{"card": "[CARD]", "at": 1783938600000}'),
        ('{"bob@x.com": {"n": 1}}', '{"[EMAIL]": {"n": 1}}'),
        ('{"Client-Secret": "abcdef", "n": [5]}', '{"Client-Secret": "[SECRET]", "n": [5]}'),
        ('{"password": 12345678}', '{"password": "[SECRET]"}'),
        ('{"api_keys": ["one-key", "other"], "x": "y"}', '{"api_keys": ["[SECRET]", "[SECRET]"], "x": "y"}'),
    ],
)  # fmt: skip
def test_what_json_holds_beside_is_left_as_it_was(text: str, redacted: str) -> None:
    assert Redactor().text(text) == redacted


@pytest.mark.parametrize(
    "value",
    ["must have 8 characters", "true", "${PASSWORD}", "{{ password }}", "<password>", "***", "", "no"],
)
def test_what_stands_under_the_name_of_a_secret_and_is_none_stays(value: str) -> None:
    text = json.dumps({"password": value, "properties": {"password": {"type": "string"}}})

    assert Redactor().text(text) == text
    assert Redactor().named("metadata.password", value) == value


def test_attributes_are_judged_by_the_last_part_of_their_key_too() -> None:
    redactor = Redactor()
    held = {
        "metadata.api_key": "a8f5f167f44f4964e6c998dee827110c",
        "metadata.password": "Sommer!",
        "metadata.passwords.note": "Sommer!",
        "metadata.users.ann@example.org": "1",
        "metadata.users.bob@example.org": "2",
        "gen_ai.usage.output_tokens": "1234",
    }
    for _ in range(2):  # the second time, keys are known
        assert redactor.attributes(held) == {
            "metadata.api_key": "[SECRET]",
            "metadata.password": "[SECRET]",
            "metadata.passwords.note": "Sommer!",
            "[EMAIL]": "1",
            "[EMAIL]-2": "2",
            "gen_ai.usage.output_tokens": "1234",
        }
    assert redactor.counts == {"secret": 4, "email": 4}
    assert Redactor(["email"]).attributes(held)["metadata.password"] == "Sommer!"


def test_an_id_that_holds_something_is_known_again_by_one_key_alone() -> None:
    one, other = Redactor(key=b"1" * 16), Redactor(key=b"2" * 16)

    assert one.identity("ann@example.org") == one.identity("ann@example.org")
    assert len({r.identity(f"{name}@example.org") for r in (one, other) for name in ("ann", "bob")}) == 4
    assert one.identity("ann@example.org").startswith("[EMAIL]-")
    assert one.identity("session-1") == "session-1"


@pytest.mark.parametrize(
    "part",
    [
        "-eyJaaaaaaaa",
        "eyJaaaaaaaa",
        "-----BEGIN PRIVATE KEY-----",
        "sk-",
        "sk-aaaaaaaaa-",
        "://a:b",
        "a%40.",
        "password ",
    ],
)
def test_the_time_of_looking_grows_with_the_text_alone(part: str) -> None:
    times = []
    for characters in (8_000, 256_000):
        text = part * (characters // len(part))
        began = time.process_time()
        Redactor().text(text)
        times.append(time.process_time() - began)

    assert times[1] < 0.1 + 250 * times[0]  # of what is quadratic, 1,000 times


@pytest.mark.parametrize("kind", EVERYTHING)
def test_each_kind_can_be_left_as_it_is(kind: str) -> None:
    text = "ann@example.org +49 30 1234567 4111111111111111 sk-abcdefghijklmnop1234"
    others = [other for other in EVERYTHING if other != kind]

    assert f"[{kind.upper()}]" not in Redactor(others).text(text)
    assert all(f"[{other.upper()}]" in Redactor(others).text(text) for other in others if kind != "card")
