"""The report of a simulation, as text: tables of what came in, what was earned, what went out and what is left."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from curtaincall.ledger.model import AccountKind, Purpose
from curtaincall.simulation.figures import Figures
from curtaincall.simulation.stage import Size
from curtaincall.simulation.tally import Tally

Row = Sequence[str | int]

INDENT: Final = "  "


def text(size: Size, seed: int, currency: str, figures: Figures, tally: Tally) -> str:
    """All tables, the result of the verification, and the digest of the books."""

    def money(amount_minor: int) -> str:
        return f"{amount_minor / 100:,.2f}"

    kinds = AccountKind
    parts = [
        f"{size.days} days, {size.creators} creators, {size.fans} fans, seed {seed}; amounts in {currency}",
        _table(
            "Money in",
            ("", "times", "amount"),
            [
                ("top-ups by card", figures.times(Purpose.TOP_UP), money(figures.moved(Purpose.TOP_UP))),
                (
                    "subscriptions by card",
                    figures.times(Purpose.SUBSCRIPTION, debit=kinds.GATEWAY_CLEARING),
                    money(figures.moved(Purpose.SUBSCRIPTION, debit=kinds.GATEWAY_CLEARING)),
                ),
                (
                    "adjustments by the house",
                    figures.times(Purpose.ADJUSTMENT, debit=kinds.HOUSE_ADJUSTMENT),
                    money(figures.moved(Purpose.ADJUSTMENT, debit=kinds.HOUSE_ADJUSTMENT)),
                ),
            ],
        ),
        _table(
            "Earned",
            ("source", "postings", "gross", "fee", "creators"),
            [
                (purpose, earned.times, *map(money, (earned.gross_minor, earned.fee_minor, earned.creators_minor)))
                for purpose, earned in figures.earned().items()
            ],
        ),
        _table("Given back and paid out", ("", "times", "amount"), _out(figures, money)),
        _table(
            "Calls",
            ("state", "reason", "calls", "minutes", "charged"),
            [(call.state, call.reason, call.count, call.minutes, money(call.charged_minor)) for call in figures.calls],
        ),
        _table("Declined cards", ("code", "times"), sorted(tally.declines.items())),
        _table("Refused by the house", ("code", "times"), sorted(tally.refusals.items())),
        _table("Visits", ("", "times"), sorted(tally.counts.items())),
        _table(
            "Balances at the end",
            ("accounts", "amount"),
            [
                *((kind, money(amount)) for kind, amount in figures.balances.items() if amount),
                ("all", money(sum(figures.balances.values()))),
            ],
        ),
        "\n".join((*figures.problems, f"{figures.transfers} transfers: {_verdict(figures)}")),
        f"digest {figures.digest}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _out(figures: Figures, money: Callable[[int], str]) -> list[Row]:
    ways: tuple[tuple[str, Purpose, AccountKind | None, AccountKind | None], ...] = (
        ("refunds to wallets", Purpose.REFUND, None, AccountKind.WALLET),
        ("refunds to cards", Purpose.REFUND, AccountKind.WALLET, AccountKind.GATEWAY_CLEARING),
        ("disputed by card holders", Purpose.CHARGEBACK, None, AccountKind.DISPUTE_PENDING),
        ("disputes lost", Purpose.CHARGEBACK, AccountKind.DISPUTE_PENDING, AccountKind.GATEWAY_CLEARING),
        ("earnings released", Purpose.RELEASE, AccountKind.CREATOR_PENDING, AccountKind.CREATOR_PAYABLE),
        ("payouts sent", Purpose.PAYOUT, AccountKind.CREATOR_PAYABLE, AccountKind.PAYOUT_IN_TRANSIT),
        ("payouts that arrived", Purpose.PAYOUT, AccountKind.PAYOUT_IN_TRANSIT, AccountKind.GATEWAY_CLEARING),
        ("payouts that came back", Purpose.PAYOUT, AccountKind.PAYOUT_IN_TRANSIT, AccountKind.CREATOR_PAYABLE),
    )
    rows = (
        (name, figures.times(purpose, debit=debit, credit=credit), figures.moved(purpose, debit=debit, credit=credit))
        for name, purpose, debit, credit in ways
    )
    return [(name, times, money(amount)) for name, times, amount in rows if times]


def _verdict(figures: Figures) -> str:
    return f"{len(figures.problems)} problems" if figures.problems else "the books balance"


def _table(title: str, head: Row, rows: Iterable[Row]) -> str:
    """Numbers and amounts to the right, everything else to the left; nothing for a table without rows."""
    lines = [tuple(map(str, row)) for row in rows]
    if not lines:
        return ""
    lines.insert(0, tuple(map(str, head)))
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    right = [all(_is_number(line[column]) for line in lines[1:]) for column in range(len(head))]
    shown = [
        INDENT
        + INDENT.join(
            cell.rjust(width) if to_the_right else cell.ljust(width)
            for cell, width, to_the_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    ]
    return "\n".join((title, *shown))


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").removeprefix("-").isdigit()
