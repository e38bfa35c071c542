"""The one composition root: settings in, a running app out. Nothing else puts services together."""

from curtaincall.bootstrap.app import App, build
from curtaincall.bootstrap.media_node import MediaNodeApp, build_media_node, node_address
from curtaincall.bootstrap.monetization import MonetizationApp, build_monetization
from curtaincall.bootstrap.overrides import Overrides
from curtaincall.bootstrap.rules import charging_settings

__all__ = [
    "App",
    "MediaNodeApp",
    "MonetizationApp",
    "Overrides",
    "build",
    "build_media_node",
    "build_monetization",
    "charging_settings",
    "node_address",
]
