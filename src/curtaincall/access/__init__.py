"""Entitlements: what a user may have now, and until when. One function answers that, for everybody who asks."""
