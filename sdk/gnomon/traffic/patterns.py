r"""What personal data look like in a text, and what tells cheaply that a text holds none. Pure.

What secrets look like is in `gnomon.secret_patterns`.

Every pattern takes time in proportion to the text: repetitions are bounded, or
cannot be read in two ways. A line break may also stand in a text as the two
characters `\n`, as in JSON and in the representation of Python's objects: what
comes behind it begins there.
"""

import re

EMAIL = re.compile(
    r"""(?:(?<![\w.+%-])(?!(?<=\\)[nrtbf])|(?<=\\[nrtbf]))(?!git@)
        [\w.+%-]{1,64}(?:@|%40)(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w-])""",
    re.VERBOSE,
)

# These begin with the character they begin with, and look behind it afterwards: so `re` skips to it fast.
# \xa0 and \u202f are spaces at which no line is broken.
CARD = re.compile(
    r"""[2-6](?:(?<![\w.+-].)|(?<=\\[nrtbf].)|(?<=[A-Za-z]-.))
        \d{3}(?:[ \xa0\u202f-]?\d){8,15}(?![\w-]|\.\d)""",
    re.VERBOSE | re.ASCII,
)

# International; with an area code in brackets or behind a 0, also in pairs; as North America writes them.
PHONE = re.compile(
    r"""[+(\d](?:(?<![\w.+/-].)|(?<=\\[nrtbf].))(?:
        (?<=\+)[1-9](?:[ \xa0\u202f./-]?\(?\d\)?){6,13}
      | (?<=0)0[1-9](?:[ \xa0\u202f./-]?\(?\d\)?){8,13}
      | (?:(?<=\+)1[ \xa0.-]?\(|(?<=1)[ \xa0.-]?\(|(?<=\())\d{2,5}\)[ \xa0-]?\d{2,4}(?:[ \xa0.-]?\d{2,4}){1,3}
      | (?:(?<=1)[ \xa0.-]\d{3}|(?<=\d)\d{2})[ \xa0.-]\d{3}[ \xa0.-]\d{4}
      | (?<=0)\d{2,4}[ \xa0/-]\d{3,4}(?:[ \xa0-]?\d{2,4}){1,2}
      | (?<=0)[1-9]\d{0,3}(?:[ \xa0\u202f.]\d\d){4}(?![ \xa0\u202f.-]\d)
    )(?![\w-]|[.:/]\d)""",
    re.VERBOSE | re.ASCII,
)

# Seven digits, the fewest that are looked for, with no more between them than a number may have.
_NUMBER = re.compile(r"\d(?:[ \xa0\u202f./()-]{0,3}\d){6}", re.ASCII)


def may_hold_number(text: str) -> bool:
    """Tell whether there may be a card or phone number; of JSON, in one string or number of it."""
    return _NUMBER.search(text) is not None


def passes_luhn(number: str) -> bool:
    """Tell whether the last digit checks the others (ISO/IEC 7812-1)."""
    digits = [int(digit) for digit in reversed(number) if digit.isdigit()]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return len(digits) <= 19 and (sum(digits[::2]) + doubled) % 10 == 0
