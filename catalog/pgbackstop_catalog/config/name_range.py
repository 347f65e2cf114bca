"""Names of many servers in a word, as Ansible's inventories have them: ``pay-[001:300]``. Pure.

https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html#adding-ranges-of-hosts
"""

from __future__ import annotations

import re
from itertools import product
from typing import Final

MOST: Final = 10_000
_RANGE: Final = re.compile(r"\[(\d{1,6}):(\d{1,6})\]")


def names(pattern: str) -> list[str]:
    """Every name that it stands for; both ends belong to a range. Raises ValueError."""
    parts = _RANGE.split(pattern)
    literals, bounds = parts[::3], list(zip(parts[1::3], parts[2::3], strict=True))
    number = 1
    for first, last in bounds:
        number *= max(0, int(last) - int(first) + 1)
    if not 1 <= number <= MOST:
        msg = f"{pattern!r} stands for {number} names; write a range of 1 to {MOST}, as in pay-[001:300]"
        raise ValueError(msg)
    return [
        "".join(text for pair in zip(literals, (*chosen, ""), strict=True) for text in pair)
        for chosen in product(*(_numbers(first, last) for first, last in bounds))
    ]


def _numbers(first: str, last: str) -> list[str]:
    width = len(first) if first.startswith("0") else 0
    return [f"{number:0{width}}" for number in range(int(first), int(last) + 1)]
