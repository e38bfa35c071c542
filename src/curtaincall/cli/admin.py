"""`curtaincall admin`: what an operator does, as commands. Exits with 1 and a sentence if it is refused."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from curtaincall.cli.options import ConfigFile, DataDir, settings_of

if TYPE_CHECKING:
    from curtaincall.cli.desk import Desk

Json = dict[str, Any]

app = typer.Typer(no_args_is_help=True, help="What an operator does; every act is on the audit log.")

Who = Annotated[str, typer.Argument(metavar="USER", help="A user id or an email address.")]
Reason = Annotated[str, typer.Option(help="Why: it goes on the audit log.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


@app.command()
def user(who: Who, as_json: AsJson = False, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Show everything about a user's money."""
    found = _ask(data_dir, config, lambda office: office.get(f"/users/{quote(who, safe='')}/money"))
    typer.echo(json.dumps(found, indent=2) if as_json else "\n".join(_money_lines(found)))


@app.command(context_settings={"ignore_unknown_options": True})  # a negative amount is no option
def adjust(
    who: Who,
    amount: Annotated[int, typer.Argument(help="Minor units (cents) to give; below zero to take.")],
    reason: Reason,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Give wallet money to a user in the name of the house, or take it."""
    currency = settings_of(config, data_dir).currency
    body = {"userId": who, "amountMinor": amount, "currency": currency, "reason": reason}
    made = _ask(data_dir, config, lambda office: office.post("/adjustments", body))
    typer.echo(f"adjusted by {_money(amount, currency)}: {made['adjustmentId']}")


@app.command()
def refund(
    transaction_id: Annotated[str, typer.Argument(metavar="TRANSACTION_ID", help="As a statement names it.")],
    reason: Reason,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Give a transaction back: a purchase to the wallet, a payment to its card."""
    body = {"transactionId": transaction_id, "reason": reason}
    made = _ask(data_dir, config, lambda office: office.post("/refunds", body))
    amount = _money(made["amountMinor"], made["currency"])
    why = f" ({made['failureCode']})" if made["failureCode"] else ""
    typer.echo(f"refund {made['refundId']} of {amount} to {made['userId']}: {made['status']}{why}")
    raise typer.Exit(1 if made["status"] == "failed" else 0)


@app.command()
def disputes(
    state: Annotated[str | None, typer.Option(help="inquiry, opened, won or lost.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """List the newest disputes."""
    parameters = {"state": state} if state else None
    found = _ask(data_dir, config, lambda office: office.get("/disputes", parameters))["items"]
    typer.echo(json.dumps(found, indent=2) if as_json else "\n".join(map(_dispute_line, found)) or "no disputes")


@app.command()
def resolve(
    dispute_id: Annotated[str, typer.Argument(metavar="DISPUTE_ID")],
    outcome: Annotated[str, typer.Argument(metavar="won|lost", help="As the bank has decided.")],
    reason: Reason,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Decide a dispute."""
    path, body = f"/disputes/{quote(dispute_id, safe='')}/resolve", {"outcome": outcome, "reason": reason}
    typer.echo(_dispute_line(_ask(data_dir, config, lambda office: office.post(path, body))))


@app.command()
def freeze(who: Who, reason: Reason, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Stop an account: its streams now, then everything else."""
    _stand(who, "freeze", reason, data_dir, config)


@app.command()
def unfreeze(who: Who, reason: Reason, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Let an account go on."""
    _stand(who, "unfreeze", reason, data_dir, config)


@app.command()
def grant(who: Who, reason: Reason, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Make a user an admin."""
    _right(who, True, reason, data_dir, config)


@app.command()
def revoke(who: Who, reason: Reason, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Make an admin a user like any other."""
    _right(who, False, reason, data_dir, config)


@app.command()
def audit(
    subject: Annotated[str | None, typer.Option(help="Of one user, transaction or dispute only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 50,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Show the audit log, newest first."""
    parameters: dict[str, str | int] = {"limit": limit, **({"subject": subject} if subject else {})}
    found = _ask(data_dir, config, lambda office: office.get("/audit", parameters))
    if as_json:
        typer.echo(json.dumps(found["items"], indent=2))
        return
    for item in found["items"]:
        facts = " ".join(f"{name}={value}" for name, value in item["details"].items())
        typer.echo(
            f"{_when(item['at'])}  {item['phase']:<7} {item['act']:<15} {item['subject']}  by {item['actor']}"
            f"{'  ' + facts if facts else ''}{': ' + item['reason'] if item['reason'] else ''}"
        )


def _stand(who: str, verb: str, reason: str, data_dir: DataDir, config: ConfigFile) -> None:
    path = f"/users/{quote(who, safe='')}/{verb}"
    standing = _ask(data_dir, config, lambda office: office.post(path, {"reason": reason}))
    typer.echo(f"{standing['userId']} <{standing['email']}>: {'frozen' if standing['frozen'] else 'not frozen'}")


def _right(who: str, granted: bool, reason: str, data_dir: DataDir, config: ConfigFile) -> None:
    path, body = f"/users/{quote(who, safe='')}/admin", {"admin": granted, "reason": reason}
    right = _ask(data_dir, config, lambda office: office.post(path, body))
    typer.echo(f"{right['userId']} <{right['email']}>: {'an admin' if right['admin'] else 'no admin'}")


def _ask(data_dir: DataDir, config: ConfigFile, question: Callable[["Desk"], Awaitable[Json]]) -> Json:
    """Ask the desk; exits with 1 and a sentence if there is no answer, or it is a refusal."""
    from curtaincall.cli.desk import DeskClosed, Refused, desk

    async def ask() -> Json:
        async with desk(settings_of(config, data_dir)) as office:
            return await question(office)

    try:
        return asyncio.run(ask())
    except (Refused, DeskClosed) as refusal:
        typer.echo(str(refusal), err=True)
        raise typer.Exit(1) from None


def _money_lines(found: Json) -> list[str]:
    wallet, earnings = found["wallet"], found["earnings"]
    currency = wallet["currency"]

    def money(amount_minor: int) -> str:
        return _money(amount_minor, currency)

    lines = [f"{found['displayName']} <{found['email']}>, {found['role']}, {found['userId']}"]
    lines += ["  an admin"] if found["admin"] else []
    if found["frozenSince"]:
        lines.append(f"  FROZEN since {_when(found['frozenSince'])}: {found['frozenReason']}")
    lines.append(
        f"  wallet     {money(wallet['balanceMinor'])}, of it {money(wallet['heldMinor'])} held, "
        f"{money(wallet['availableMinor'])} available"
    )
    lines.append(f"  earnings   {money(earnings['pendingMinor'])} pending, {money(earnings['payableMinor'])} payable")
    if earnings["owedMinor"]:
        lines.append(f"  owes       {money(earnings['owedMinor'])}")
    holds = [(hold["kind"], money(hold["amountMinor"]), hold["createdAt"], hold["ref"]) for hold in found["holds"]]
    moved = [
        (line["label"], money(line["amountMinor"]), line["createdAt"], line["id"]) for line in found["transactions"]
    ]
    sent = [
        (payout["status"], money(payout["amountMinor"]), payout["createdAt"], payout["payoutId"])
        for payout in found["payouts"]
    ]
    disputed = [
        (dispute["state"], money(dispute["amountMinor"]), dispute["openedAt"], dispute["disputeId"])
        for dispute in found["disputes"]
    ]
    subscribed = [
        (
            f"{view['displayName']}, {view['state']}",
            money(view["priceMinor"]),
            view["createdAt"],
            view["subscriptionId"],
        )
        for view in found["subscriptions"]
    ]
    lines += _table("open holds", holds)
    lines += _table("payouts", sent)
    lines += _table("disputes", disputed)
    lines += _table("subscriptions", subscribed)
    lines += _table("last transactions", moved)
    return lines


def _table(title: str, rows: list[tuple[str, str, str, str]]) -> list[str]:
    if not rows:
        return []
    return [f"  {title}", *(f"    {_when(at)}  {what:<28} {money:>14}  {ref}" for what, money, at, ref in rows)]


def _dispute_line(dispute: Json) -> str:
    amount = _money(dispute["amountMinor"], dispute["currency"])
    when, names = _when(dispute["openedAt"]), f"{dispute['disputeId']}  of {dispute['userId']}"
    return f"{when}  {dispute['state']:<8} {amount:>14}  {names}"


def _money(amount_minor: int, currency: str) -> str:
    sign = "-" if amount_minor < 0 else ""
    return f"{sign}{abs(amount_minor) // 100}.{abs(amount_minor) % 100:02d} {currency}"


def _when(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M:%S}"
