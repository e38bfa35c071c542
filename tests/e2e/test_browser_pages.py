"""Every page at the size of a phone and of a desktop: nothing sticks out, everything has a name, pictures are kept.

The pictures go to `build/screenshots`, for people to look at.
"""

import pytest
from playwright.async_api import expect

from support.browser import Visitor
from support.inspection import inspect
from support.people import PASSWORD, Person
from support.server import Server

pytestmark = pytest.mark.browser


async def register_at_the_page(visitor: Visitor, name: str) -> None:
    page = visitor.page
    await page.goto(visitor.url)
    await inspect(visitor, "01-sign-in")
    await page.get_by_role("tab", name="Create account").click()
    await page.get_by_text("Be called").click()
    await page.get_by_label("Name that others see").fill(name)
    await page.get_by_label("Email").fill(f"{name.lower()}@example.org")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_label("Date of birth").fill("1990-01-31")
    await inspect(visitor, "02-register")
    await page.get_by_role("button", name="Create account").click()


async def set_rate(visitor: Visitor) -> None:
    page = visitor.page
    await expect(page.get_by_text("Almost there")).to_be_visible()
    await page.get_by_label("Price of a minute").fill("6.00")
    await page.get_by_label("Shortest charge").fill("10")
    await page.get_by_role("button", name="Save rate").click()
    await expect(page.get_by_text("You are online")).to_be_visible()


async def test_a_wrong_password_is_told_and_a_child_is_refused(at_fan: Visitor) -> None:
    page = at_fan.page
    await page.goto(at_fan.url)
    await page.get_by_label("Email").fill("nobody@example.org")
    await page.get_by_label("Password").fill("wrong password")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_have_text("Email or password is wrong.")
    await inspect(at_fan, "03-wrong-password")
    await page.get_by_role("tab", name="Create account").click()
    await page.get_by_label("Name that others see").fill("Kid")
    await page.get_by_label("Email").fill("kid@example.org")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_label("Date of birth").fill("2015-01-31")
    await page.get_by_role("button", name="Create account").click()
    await expect(page.get_by_role("alert")).to_contain_text("at least 18")


async def test_every_page_fits_phone_and_desktop(server: Server, at_fan: Visitor, at_creator: Visitor) -> None:
    fan_page, creator_page = at_fan.page, at_creator.page
    await register_at_the_page(at_creator, "Mia")
    await set_rate(at_creator)
    await inspect(at_creator, "04-studio")

    fan = await server.people.fan()
    await at_fan.sign_in(fan)
    await expect(fan_page.get_by_role("article").first).to_be_visible()
    await inspect(at_fan, "05-models")
    await fan_page.get_by_role("button", name="Call Mia").click()
    await expect(fan_page.get_by_role("dialog", name="Add money to call Mia")).to_be_visible()
    await inspect(at_fan, "06-money-needed")
    await fan_page.get_by_role("button", name="Save card").click()
    await fan_page.get_by_role("button", name="Add €20.00").click()
    await expect(fan_page.get_by_role("dialog")).to_be_hidden()
    await fan_page.get_by_role("link", name="Wallet", exact=True).first.click()
    await expect(fan_page.get_by_text("Added by card")).to_be_visible()
    await inspect(at_fan, "07-wallet")
    await fan_page.goto(f"{server.url}/nowhere")
    await expect(fan_page.get_by_role("heading", name="Nothing behind this curtain")).to_be_visible()
    await inspect(at_fan, "08-not-found")

    await inspect_call(server, at_fan, at_creator, fan)
    await creator_page.get_by_role("link", name="Studio").first.click()
    await expect(creator_page.get_by_role("heading", name="Studio")).to_be_visible()
    await inspect(at_creator, "16-studio-after")


async def inspect_call(server: Server, at_fan: Visitor, at_creator: Visitor, fan: Person) -> None:
    fan_page, creator_page = at_fan.page, at_creator.page
    await fan_page.goto(f"{server.url}/models")
    await fan_page.get_by_role("button", name="Call Mia").click()
    await expect(fan_page.get_by_text("Ringing")).to_be_visible()
    await inspect(at_fan, "09-ringing")
    incoming = creator_page.get_by_role("dialog", name="Incoming call")
    await expect(incoming).to_be_visible()
    await inspect(at_creator, "10-incoming")
    await incoming.get_by_role("button", name="Accept").click()
    await at_fan.sees(frames=10)
    await at_creator.sees(frames=10)
    await inspect(at_fan, "11-call")
    await inspect(at_creator, "12-call-creator")

    await fan_page.get_by_role("button", name="Chat").click()
    await fan_page.get_by_label("Message").fill("Hello Mia, so good to see you!")
    await fan_page.get_by_label("Message").press("Enter")
    await creator_page.get_by_role("button", name="Chat, 1 unread").click()
    await creator_page.get_by_label("Message").fill("Hi! How was your day?")
    await creator_page.get_by_label("Message").press("Enter")
    await expect(fan_page.get_by_text("How was your day?")).to_be_visible()
    await inspect(at_fan, "13-chat")
    await fan_page.keyboard.press("Escape")
    await expect(fan_page.get_by_label("Message")).to_be_hidden()

    await fan_page.get_by_role("button", name="Mute microphone").click()
    await fan_page.get_by_role("button", name="Turn camera off").click()
    await expect(fan_page.get_by_role("button", name="Turn camera on")).to_be_visible()
    await inspect(at_fan, "14-muted")
    await fan_page.get_by_role("button", name="Turn camera on").click()
    await fan_page.get_by_role("button", name="Flip camera").click()
    await at_creator.sees(frames=10)

    await fan_page.get_by_role("button", name="End call").click()
    await expect(fan_page.get_by_role("region", name="Your last call")).to_contain_text("Call with Mia")
    await expect(creator_page.get_by_role("region", name="Your last call")).to_contain_text("Call with")
    await inspect(at_fan, "15-receipt")
