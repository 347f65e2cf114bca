"""The operations that are killed: what each needs before it, and its command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.campaign.campaign import SHOP, Campaign


@dataclass(frozen=True, kw_only=True)
class Operation:
    """``prepare`` makes what it needs, and returns the words of the command."""

    name: str
    prepare: Callable[[Campaign], Sequence[str]]


def _backup(plan: str) -> Operation:
    return Operation(name=f"backup {plan}", prepare=lambda _campaign: ("backup", plan))


def _restore(name: str, plan: str, *words: str) -> Operation:
    def prepare(campaign: Campaign) -> Sequence[str]:
        campaign.mark()
        return ("restore", "--plan", plan, *words)

    return Operation(name=name, prepare=prepare)


def _back(campaign: Campaign) -> Sequence[str]:
    campaign.mark()
    return ("restore", "--undo", campaign.restored("custom"), "--yes-replace", SHOP)


def _drop(campaign: Campaign) -> Sequence[str]:
    restored = campaign.restored("custom")
    return ("restore", "--drop-old", restored, "--yes-replace", f"{SHOP}__before_{restored[-6:]}")


def _copy(campaign: Campaign) -> Sequence[str]:
    campaign.write(copied=False)
    campaign.backup("dir")
    campaign.write()
    return ("copy", "dir")


def _expire(campaign: Campaign) -> Sequence[str]:
    campaign.write(last=5)
    for _ in range(2):
        campaign.backup("dir")
    campaign.write()
    return ("expire", "dir")


def _table(campaign: Campaign) -> Sequence[str]:
    campaign.server.execute("drop schema if exists back cascade", SHOP)
    return ("restore", "--plan", "custom", "--table", "public.goods", "--into-schema", "back")


def _recover(campaign: Campaign) -> Sequence[str]:
    return ("recover", "main", "--into", str(campaign.folder / "recovered"))


def _simple(name: str, *words: str) -> Operation:
    return Operation(name=name, prepare=lambda _campaign: words)


OPERATIONS = (
    _backup("custom"),
    _backup("dir"),
    _backup("plain"),
    _backup("phys"),
    Operation(name="copy", prepare=_copy),
    Operation(name="expire", prepare=_expire),
    _simple("verify", "verify", "custom"),
    _simple("verify phys", "verify", "phys"),
    _restore("restore", "custom", "--yes-replace", SHOP),
    _restore("restore dir", "dir", "--yes-replace", SHOP),
    _restore("restore plain", "plain", "--yes-replace", SHOP),
    _restore("restore --in-place", "custom", "--in-place", "--yes-replace", SHOP),
    _restore("restore --into", "custom", "--into", "elsewhere"),
    Operation(name="restore --table", prepare=_table),
    Operation(name="restore --undo", prepare=_back),
    Operation(name="restore --drop-old", prepare=_drop),
    _simple("drill", "drill", "custom"),
    _simple("drill phys", "drill", "phys"),
    Operation(name="recover", prepare=_recover),
)
