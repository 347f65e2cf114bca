"""Who signed in, and in which groups they are, by the provider's claims. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pgbackstop_catalog.config.oidc import Oidc
from pgbackstop_catalog.text import bounded, joined, plain, said
from pgbackstop_runner.console.oidc.refusal import NoEntry

_LONGEST_NAME: Final = 64
_MOST_GROUPS: Final = 1_000
_LONGEST_GROUP: Final = 256


@dataclass(frozen=True, kw_only=True)
class Person:
    """``name`` has the provider's in brackets, which no user of the configuration can have."""

    name: str
    subject: str
    groups: frozenset[str]


def has_groups(settings: Oidc, claims: Mapping[str, Any]) -> bool:
    """Whether the claims say anything of groups, be it that there are none."""
    return _claim(settings.groups_claim, claims) is not None


def of_claims(settings: Oidc, claims: Mapping[str, Any]) -> Person:
    """The person. Raises NoEntry where no group of theirs may enter."""
    subject = str(claims["sub"])
    named = (claims.get(each) for each in (settings.user_claim, "email"))
    name = next((each for each in named if isinstance(each, str) and each.strip()), subject)
    shown = f"{bounded(plain(name.strip()), _LONGEST_NAME)} ({settings.name})"
    groups = _groups(settings, claims)
    if settings.roles.role_of(groups) is None:
        claim = settings.groups_claim
        known = (
            said("{who} may not enter: the claim {claim} names no group that may.", who=shown, claim=claim)
            if groups
            else said("{who} may not enter: the claim {claim} names no group.", who=shown, claim=claim)
        )
        asks = said(
            "Ask an administrator of this console, who maps groups to roles in {key}.",
            key="console.oidc.roles",
        )
        raise NoEntry(joined(" ", (known, asks)), status=403)
    return Person(name=shown, subject=subject, groups=groups)


def _groups(settings: Oidc, claims: Mapping[str, Any]) -> frozenset[str]:
    found = _claim(settings.groups_claim, claims)
    listed = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    if len(listed) > _MOST_GROUPS:
        raise NoEntry(f"It names more than {_MOST_GROUPS} groups.")
    return frozenset(each for each in listed if isinstance(each, str) and len(each) <= _LONGEST_GROUP)


def _claim(name: str, claims: Mapping[str, Any]) -> Any:
    """A claim of that name, else what the name's dots lead to."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found
