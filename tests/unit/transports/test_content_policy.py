"""What a page of the app may load, and from where."""

import re

from curtaincall.transports.rest.middleware import content_security_policy

HOSTS = re.compile(r"https?://[^\s;]+")


def test_without_stripe_nothing_comes_from_elsewhere() -> None:
    policy = content_security_policy(stripe=False)
    assert HOSTS.findall(policy) == []
    assert "frame-src 'none'" in policy
    assert "unsafe" not in policy


def test_with_stripe_its_card_form_may_be_shown_and_nothing_else() -> None:
    policy = content_security_policy(stripe=True)
    assert set(HOSTS.findall(policy)) == {
        "https://js.stripe.com",
        "https://*.js.stripe.com",
        "https://hooks.stripe.com",
        "https://api.stripe.com",
    }
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_sockets_of_the_page_are_left_to_be_filled_in() -> None:
    filled = content_security_policy(stripe=True).format(sockets="wss://here.example")
    assert "connect-src 'self' wss://here.example https://api.stripe.com;" in filled
