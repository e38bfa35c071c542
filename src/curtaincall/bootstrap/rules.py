"""The figures of the settings, as each domain wants them."""

from curtaincall.accounts.service import AccountRules
from curtaincall.charging.model import ChargingSettings, PaymentFailurePolicy, QuotaRules
from curtaincall.rooms.service import RoomRules
from curtaincall.settings import Settings
from curtaincall.subscriptions.model import SubscriptionRules


def account_rules(settings: Settings) -> AccountRules:
    figures = settings.accounts
    return AccountRules(
        access_ttl_s=figures.access_ttl_s,
        refresh_ttl_s=figures.refresh_ttl_s,
        minimum_age_years=figures.minimum_age_years,
    )


def room_rules(settings: Settings) -> RoomRules:
    return RoomRules(
        max_participants=settings.rooms.max_participants,
        reconnect_grace_us=settings.rooms.reconnect_grace_s * 1_000_000,
        unpaid_lease_ms=settings.charging.lease_ms,
    )


def subscription_rules(settings: Settings) -> SubscriptionRules:
    figures = settings.subscriptions
    return SubscriptionRules(
        currency=settings.currency,
        fee_bp=settings.charging.fee_bp,
        renew_ahead_ms=figures.renew_ahead_s * 1000,
        retry_days=tuple(sorted(figures.retry_days)),
        grace_days=figures.grace_days,
    )


def charging_settings(settings: Settings) -> ChargingSettings:
    """The figures of charging, as its own package wants them."""
    figures = settings.charging
    return ChargingSettings(
        currency=settings.currency,
        fee_bp=figures.fee_bp,
        default_increment_ms=figures.default_increment_ms,
        default_minimum_ms=figures.default_minimum_ms,
        quota=QuotaRules(first_hold_ms=figures.first_hold_ms, slice_ms=figures.slice_ms),
        lease_ms=figures.lease_ms,
        ask_early_ms=figures.ask_early_ms,
        ring_ms=figures.ring_ms,
        connect_ms=figures.connect_ms,
        pause_ms=figures.pause_ms,
        max_sessions=figures.max_sessions,
        payment_failure_policy=PaymentFailurePolicy(figures.payment_failure_policy),
    )
