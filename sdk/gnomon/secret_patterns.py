r"""What secrets look like in a text, and what tells cheaply that a text holds none. Pure.

Read by what stores traffic (`gnomon.traffic`) and by what writes logs
(`gnomon_rpc.log_redaction`): one table, so that a new kind of key is entered once.

Every pattern takes time in proportion to the text: repetitions are bounded, or
cannot be read in two ways. A line break may also stand in a text as the two
characters `\n`, as in JSON and in the representation of Python's objects: what
comes behind it begins there.
"""

import re

# What begins like the keys of known services, JSON web tokens, private keys, and passwords in addresses ...
SECRET = re.compile(
    r"""-----BEGIN[ A-Z]{0,40}PRIVATE\ KEY(?:\ BLOCK)?-----(?:[^-]|-(?!----))*+
          (?:-----END[ A-Z]{0,40}PRIVATE\ KEY(?:\ BLOCK)?-----)?
      | (?:(?<![A-Za-z0-9])|(?<=\\[nrtbf]))(?:
          # not words with hyphens between them
          [sp]k-(?=(?:lf-)?[0-9a-f]{8}-[0-9a-f]{4}-
                  |(?:[A-Za-z0-9]{0,15}[_-]){0,12}[A-Za-z0-9]{16}
                  |(?=[a-z0-9_-]{0,64}[A-Z])[A-Za-z_-]{0,64}[0-9])[A-Za-z0-9_-]{16,}
        | [srp]k_(?:live|test)_[A-Za-z0-9]{10,}
        | (?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Z])
        | gh[pousr]_[A-Za-z0-9]{20,}
        | github_pat_[A-Za-z0-9_]{20,}
        | glpat-[A-Za-z0-9_-]{16,}
        | xox[abeoprs]-[A-Za-z0-9-]{10,}
        | AIza[0-9A-Za-z_-]{35}
        | hf_[A-Za-z0-9]{20,}
        | npm_[A-Za-z0-9]{30,}
        | gsk_[A-Za-z0-9]{20,}
        | whsec_[A-Za-z0-9+/=]{20,}
        | lsv2_[a-z]{2}_[A-Za-z0-9_]{20,}
        | SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}
        | ya29\.[A-Za-z0-9_-]{20,}
        | gnm_[A-Za-z0-9_-]{16,}
      )
      | (?:(?:(?<![A-Za-z0-9_-])|(?<=\\[nrtbf]))eyJ[A-Za-z0-9_-]{8,4096}|(?<=[_-])eyJ[A-Za-z0-9_-]{8,512})
          \.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*
      | (?:(?<=[Bb]earer\ )|(?<=BEARER\ ))[A-Za-z0-9._~+/=-]{16,}
      | (?<=Basic\ )(?=[A-Za-z][a-z]*[A-Z0-9+/=])[A-Za-z0-9+/=]{16,}
      | (?<=://)[^\s/:@?\#"',{}\\]{0,64}:(?!\d{1,5}[?\#])[^\s/"',{}\\]{1,256}(?=@)""",
    re.VERBOSE,
)

# ... and a value behind the name of a key. In running text it has a letter and a digit.
_NAMES = r"""(?:api[ _-]?key|(?:access|account)[ _-]?key|secret(?:[ _-]?key)?
  |(?:access|auth|refresh)[ _-]?token|password|passwd)"""
NAMED_SECRET = re.compile(
    rf"""({_NAMES}\\?["']?\s*(?:[:=]>?|\bis\b)\s*\\?["']?)
        (?=[^\s"'\\]{{0,256}}\d)(?=[^\s"'\\]{{0,256}}[A-Za-z])([A-Za-z0-9_./+=~!@\#$%^&*-]{{8,}})""",
    re.VERBOSE | re.IGNORECASE,
)

# As the last part of a key, such as `metadata.api_key`, a name says more: a value stands there, no prose.
_SECRET_KEY = re.compile(
    rf"(?:{_NAMES}|private[ _-]?key|(?:bearer|session|id)[ _-]?token|passphrase|pwd|authorization)s?\Z",
    re.VERBOSE | re.IGNORECASE,
)
_NO_VALUE = re.compile(
    r"\S{0,3}|true|false|null|none|undefined|\$\{.*\}|\{\{.*\}\}|<.*>|\[[A-Z]+\]|\*+", re.IGNORECASE
)


def names_secret(key: str) -> bool:
    """Tell whether what stands under the key is a secret, by the last part of it."""
    return _SECRET_KEY.search(key[-40:]) is not None


def is_value_of_secret(text: str) -> bool:
    """Tell what may be a password from prose, from words such as `true`, and from placeholders."""
    return not (any(map(str.isspace, text)) or _NO_VALUE.fullmatch(text))


def may_hold_secret(text: str) -> bool:
    """Tell whether there is what one of the alternatives of `SECRET` cannot do without.

    One character is found several times as fast as a word, so words are looked for behind it.
    """
    return (
        ("_" in text and _may_hold_secret_with_underscore(text))
        or ("-" in text and ("k-" in text or "glpat-" in text or "xox" in text or "-----BEGIN" in text))
        or (":" in text and "://" in text)
        or ("J" in text and "eyJ" in text)
        or ("A" in text and ("AKIA" in text or "ASIA" in text or "AIza" in text))
        or ("B" in text and ("Basic " in text or "BEARER " in text))
        or ("G" in text and "SG." in text)
        or ("9" in text and "ya29." in text)
        or "earer " in text
    )


def _may_hold_secret_with_underscore(text: str) -> bool:
    return (
        "k_" in text
        or "gh" in text
        or "_pat_" in text
        or "hf_" in text
        or "npm_" in text
        or "whsec_" in text
        or "lsv2_" in text
        or "gnm_" in text
    )


def may_name_secret(text: str) -> bool:
    """Tell whether lower-case text may hold a name that `NAMED_SECRET` looks for."""
    return "key" in text or "secret" in text or "token" in text or "passw" in text


def may_have_key_of_secret(text: str) -> bool:
    """Tell whether lower-case text may hold a key of which `names_secret` is true."""
    return may_name_secret(text) or "passphrase" in text or "pwd" in text or "authorization" in text
