"""Pages in the size of a phone and of a desktop: nothing sticks out, everything has a name, pictures are kept.

The pictures go to `build/screenshots`, for people to look at.
"""

from pathlib import Path

from support.browser import DESKTOP, PHONE, Visitor

PICTURES = Path(__file__).parents[2] / "build" / "screenshots"

NAMELESS = """
() => [...document.querySelectorAll('button, a[href], input, select, video, [role=switch]')]
    .filter((element) => element.checkVisibility())
    .filter((element) => !(
        element.getAttribute('aria-label') || element.textContent.trim() || element.labels?.length
    ))
    .map((element) => element.outerHTML)
"""

STICKING_OUT_PX = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


async def inspect(visitor: Visitor, name: str) -> None:
    """Look at the page in both sizes."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for size_name, size in (("phone", PHONE), ("desktop", DESKTOP)):
        await visitor.page.set_viewport_size(size)
        # Pictures are of the page at rest, not in the middle of an animation.
        await visitor.page.screenshot(path=PICTURES / f"{name}-{size_name}.png", animations="disabled")
        assert await visitor.page.evaluate(STICKING_OUT_PX) <= 0, f"{name} is too wide for a {size_name}"
        assert await visitor.page.evaluate(NAMELESS) == [], name
