"""The one composition root: settings in, a running app out. Nothing else puts services together."""

from curtaincall.bootstrap.adapters import lan_addresses
from curtaincall.bootstrap.app import App, build
from curtaincall.bootstrap.monetization import MonetizationApp, build_monetization
from curtaincall.bootstrap.overrides import Overrides
from curtaincall.bootstrap.rules import charging_settings

__all__ = [
    "App",
    "MonetizationApp",
    "Overrides",
    "build",
    "build_monetization",
    "charging_settings",
    "lan_addresses",
]
